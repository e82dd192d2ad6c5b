"""Injected faults, and an oracle that knows the required fate of every event."""
