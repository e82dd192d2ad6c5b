"""How fast, how soon and with how much memory: `make bench`."""
