"""How we authenticate: keys, tokens and signatures."""
