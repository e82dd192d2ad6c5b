"""What is worth a line in the log: what is new, and what is over."""

import math
from collections.abc import Callable, Hashable

QUIET_SECONDS = 30.0
"""How long the same news isn't worth another line."""
LARGEST_MEMORY = 1000


class News:
    """Remembers what was said lately."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin with nothing said; *now* is a monotonic clock."""
        self._now = now
        self._said: dict[tuple[Hashable, ...], float] = {}
        self._over: dict[str, float] = {}

    def is_over(self, trouble: str) -> bool:
        """
        Whether the end of *trouble* is worth a line; then its return is news at once.

        While trouble comes and goes, the last word in the log stays the trouble.
        """
        now = self._now()
        if now < self._over.get(trouble, -math.inf) + QUIET_SECONDS:
            return False
        self._over[trouble] = now
        for what in [what for what in self._said if what[0] == trouble]:
            del self._said[what]
        return True

    def is_new(self, *what: Hashable) -> bool:
        """Whether the same wasn't said lately; then it is said now."""
        now = self._now()
        before = self._said.get(what)
        if before is not None and now < before + QUIET_SECONDS:
            return False
        if len(self._said) >= LARGEST_MEMORY:
            self._said.clear()
        self._said[what] = now
        return True
