"""
Count what the spool holds, for each backend.

The counters are rows of the file. So opening the spool doesn't read the events, and
reading a counter never waits for the disk.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from exporter.spool.database import insert

EVENT, DEAD_LETTER = "event", "dead_letter"
NO_BACKEND = ""
"""The backend in the counters for unreadable records."""

Key = tuple[str, str]
"""The name of the counted table, and a backend."""


class Held(NamedTuple):
    """A number of events or dead letters, and their size."""

    rows: int
    size: int
    """Total bytes of the bodies."""

    def plus(self, bodies: Sequence[bytes], sign: int) -> "Held":
        """Return the sum with *bodies*, or the difference for a *sign* of -1."""
        size = sum(map(len, bodies))
        return Held(self.rows + sign * len(bodies), self.size + sign * size)


NOTHING = Held(0, 0)


class Totals:
    """The counters of one file: changed in the writer's thread, read in any thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.reload()

    def reload(self) -> None:
        """Read the counters from the file: when it's opened, and after a rollback."""
        rows = self._connection.execute("SELECT what, backend, rows, bytes FROM held")
        # This dictionary is replaced and never changed: another thread may iterate it.
        self._held: dict[Key, Held] = {
            (what, backend): Held(rows, size) for what, backend, rows, size in rows
        }
        self._stored = self._held
        self.waiting = self._sum(EVENT)
        """Waiting events of all backends."""
        self.dead = self._sum(DEAD_LETTER)
        """All dead letters."""

    def write(self) -> None:
        """Write the changed counters to the file; once before each commit."""
        if self._held is self._stored:
            return  # a transaction that only reads must not cost an fsync
        changed = [
            (*key, *held)
            for key, held in self._held.items()
            if self._stored.get(key) != held
        ]
        self._stored = self._held
        insert(self._connection, "INSERT OR REPLACE INTO held", changed)

    def touch(self) -> None:
        """Make the next `write` write all counters, changed or not."""
        self._stored = {}

    def add(
        self, what: str, backend: str, bodies: Sequence[bytes], sign: int = 1
    ) -> None:
        """Add *bodies* to the counters, or subtract them for a *sign* of -1."""
        if not bodies:
            return
        now = self.of(what, backend).plus(bodies, sign)
        self._held = {**self._held, (what, backend): now}
        if what == EVENT:
            self.waiting = self.waiting.plus(bodies, sign)
        else:
            self.dead = self.dead.plus(bodies, sign)

    def of(self, what: str, backend: str) -> Held:
        """Return the counter of *what* for *backend*."""
        return self._held.get((what, backend), NOTHING)

    @property
    def backends(self) -> list[str]:
        """The sorted names of all backends with events or dead letters."""
        held = {backend for (_, backend), each in self._held.items() if each.rows}
        return sorted(held - {NO_BACKEND})

    def _sum(self, what: str) -> Held:
        held = [each for (kind, _), each in self._held.items() if kind == what]
        return Held(sum(each.rows for each in held), sum(each.size for each in held))
