"""Limit repeated log lines."""

import math
from collections.abc import Callable, Hashable

QUIET_SECONDS = 30.0
"""How long the same line isn't logged again."""
MOST_REMEMBERED = 1000


class LogLimit:
    """Remembers what was logged lately."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._logged: dict[tuple[Hashable, ...], float] = {}
        self._ended: dict[str, float] = {}

    def allows(self, trouble: str, *details: Hashable) -> bool:
        """Whether *trouble* with these *details* wasn't logged lately; now it is."""
        now, line = self._now(), (trouble, *details)
        if now < self._logged.get(line, -math.inf) + QUIET_SECONDS:
            return False
        if len(self._logged) >= MOST_REMEMBERED:
            self._logged.clear()
        self._logged[line] = now
        return True

    def allows_end(self, trouble: str) -> bool:
        """
        Whether the end of *trouble* may be logged.

        If it may, new trouble is logged at once. While trouble comes and goes quickly,
        the last line in the log stays the trouble.
        """
        now = self._now()
        if now < self._ended.get(trouble, -math.inf) + QUIET_SECONDS:
            return False
        self._ended[trouble] = now
        for line in [line for line in self._logged if line[0] == trouble]:
            del self._logged[line]
        return True
