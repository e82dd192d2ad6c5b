"""Who we are, as the backend sees it: keys, tokens, signatures."""
