"""Measure the rate of incoming bytes, to estimate when the spool will be full."""

import math
import time
from collections.abc import Callable

DAY_SECONDS = 24 * 60 * 60.0
SHORTEST_SECONDS = 60.0
"""The shortest time that a rate is computed from, even right after the start."""


class Inflow:
    """The average rate since the start, in which bytes fade away over a day."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = self._counted = now()
        self._bytes = 0.0
        """The weighted sum when it was last counted."""

    def add(self, size: int) -> None:
        """Count *size* bytes that were accepted just now."""
        now = self._now()
        faded = self._bytes * math.exp((self._counted - now) / DAY_SECONDS)
        self._bytes, self._counted = faded + size, now

    def seconds_to_fill(self, room: int) -> float:
        """Return how long *room* bytes last at this rate if nothing is delivered."""
        self.add(0)
        age = max(self._counted - self._started, SHORTEST_SECONDS)
        span = -math.expm1(-age / DAY_SECONDS) * DAY_SECONDS
        return room * span / self._bytes if self._bytes >= 1 else math.inf
