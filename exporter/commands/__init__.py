"""Commands that talk to a running service, or to what it left behind."""
