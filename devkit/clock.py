"""A clock that a test sets."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Returns `seconds`, which grow by *step* at each call."""

    seconds: float = 1000.0
    step: float = 0.0

    def __call__(self) -> float:
        """Return the time in place of `time.monotonic` or `time.time`."""
        self.seconds += self.step
        return self.seconds
