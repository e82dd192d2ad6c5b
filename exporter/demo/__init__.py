"""Recorded traffic of a real broker, and a stub backend (extra `demo`)."""
