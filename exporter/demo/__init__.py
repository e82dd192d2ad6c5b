"""An embedded real broker, a stub backend and a walk-through (extra `demo`)."""
