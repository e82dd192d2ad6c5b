"""Measure the rate of incoming bytes, to estimate when the spool will be full."""

import math
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 24 * 60 * 60.0
SLICES = 96
SHORTEST_SECONDS = 60.0
"""The shortest time that a rate is computed from, even right after the start."""


class Inflow:
    """Bytes accepted in the last 24 hours, or since the start."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = now()
        self._slices: deque[list[float]] = deque(maxlen=SLICES + 1)
        """The start and the bytes of each slice of the window."""

    def add(self, size: int) -> None:
        """Count *size* bytes that were accepted just now."""
        now = self._now()
        if not self._slices or now >= self._slices[-1][0] + WINDOW_SECONDS / SLICES:
            self._slices.append([now, 0])
        self._slices[-1][1] += size

    def seconds_to_fill(self, room: int) -> float:
        """Return how long *room* bytes last at this rate if nothing is delivered."""
        now = self._now()
        span = min(max(now - self._started, SHORTEST_SECONDS), WINDOW_SECONDS)
        begin = now - WINDOW_SECONDS
        size = sum(size for start, size in self._slices if start > begin)
        return room * span / size if size else math.inf
