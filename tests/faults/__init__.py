"""Faults on purpose, and an oracle that knows what must have become of every event."""
