"""Log the same trouble only once in a while, and its end once."""

import logging
import math
from collections.abc import Callable, Hashable, Mapping

QUIET_SECONDS = 30.0
"""How long the same line isn't logged again."""
MOST_REMEMBERED = 1000


class LimitedLog:
    """A log that remembers what was logged lately."""

    def __init__(
        self, log: logging.Logger, now: Callable[[], float], **fields: object
    ) -> None:
        """Add *fields* to each line."""
        self._log = log
        self._now = now
        self._fields = fields
        self._logged: dict[tuple[Hashable, ...], float] = {}
        self._ended: dict[str, float] = {}
        self._lasting: set[str] = set()
        """Each trouble in the log whose end isn't."""

    def trouble(
        self, level: int, message: str, same: Mapping[str, Hashable], **fields: object
    ) -> None:
        """Log *message*, unless it was logged lately with the *same* fields."""
        now, line = self._now(), (message, *same.values())
        if now < self._logged.get(line, -math.inf) + QUIET_SECONDS:
            return
        if len(self._logged) >= MOST_REMEMBERED:
            self._logged.clear()
        self._logged[line] = now
        self._lasting.add(message)
        self._log.log(level, message, extra={**self._fields, **same, **fields})

    def end(self, trouble: str, message: str) -> bool:
        """
        Log *message* if the line *trouble* was logged; return whether it was.

        New trouble is then logged at once. While trouble comes and goes quickly, the
        last line in the log stays the trouble.
        """
        now = self._now()
        too_soon = now < self._ended.get(trouble, -math.inf) + QUIET_SECONDS
        if too_soon or trouble not in self._lasting:
            return False
        self._ended[trouble] = now
        self._lasting.remove(trouble)
        for line in [line for line in self._logged if line[0] == trouble]:
            del self._logged[line]
        self._log.info(message, extra=self._fields)
        return True
