"""Measure the rate of incoming bytes, to estimate when the spool will be full."""

import math
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 24 * 60 * 60.0
SLICE_SECONDS = 15 * 60.0
SHORTEST_SECONDS = 60.0
"""The shortest time that a rate is computed from, even right after the start."""


class Inflow:
    """Bytes accepted in the last 24 hours, or since the start."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = now()
        self._slices: deque[list[float]] = deque()
        """The start and the bytes of each slice."""

    def add(self, size: int) -> None:
        """Count *size* bytes that were accepted just now."""
        now = self._now()
        if not self._slices or now >= self._slices[-1][0] + SLICE_SECONDS:
            self._slices.append([now, 0])
            self._forget(now)
        self._slices[-1][1] += size

    @property
    def bytes_per_second(self) -> float:
        """The average rate of the window."""
        now = self._now()
        self._forget(now)
        span = min(max(now - self._started, SHORTEST_SECONDS), WINDOW_SECONDS)
        return sum(size for _, size in self._slices) / span

    def seconds_to_fill(self, room: int) -> float:
        """Return how long *room* bytes last at this rate if nothing is delivered."""
        rate = self.bytes_per_second
        return room / rate if rate else math.inf

    def _forget(self, now: float) -> None:
        while self._slices and self._slices[0][0] <= now - WINDOW_SECONDS:
            self._slices.popleft()
