"""A clock that a test moves by hand."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Shows `seconds`; each look at it takes *step* more of them."""

    seconds: float = 1000.0
    step: float = 0.0

    def __call__(self) -> float:
        """Return the time, as `time.monotonic` and `time.time` do."""
        self.seconds += self.step
        return self.seconds
