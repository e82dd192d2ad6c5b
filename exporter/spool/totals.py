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


class Held(NamedTuple):
    """A number of events or dead letters, and the total bytes of their bodies."""

    rows: int
    size: int


class Totals:
    """The counters of one file: changed in the writer's thread, read in any thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.reload()

    def reload(self) -> None:
        """Read the counters from the file: when it's opened, and after a rollback."""
        rows = self._connection.execute("SELECT what, backend, rows, bytes FROM held")
        # This dictionary is replaced and never changed: another thread may iterate it.
        self._held = {
            (what, backend): Held(*counter) for what, backend, *counter in rows
        }
        self._stored = self._held

    def write(self) -> None:
        """Write the changed counters to the file; once before each commit."""
        if self._held is self._stored:
            return  # a transaction that only reads must not cost an fsync
        changed = self._held.items() - self._stored.items()
        rows = [(*key, *held) for key, held in changed]
        self._stored = self._held
        insert(self._connection, "INSERT OR REPLACE INTO held", rows)

    def touch(self) -> None:
        """Make the next `write` write all counters, changed or not."""
        self._stored = {}

    def add(
        self, what: str, backend: str, bodies: Sequence[bytes], sign: int = 1
    ) -> None:
        """Add *bodies* to the counters, or subtract them for a *sign* of -1."""
        if bodies:
            rows, size = self.of(what, backend)
            now = Held(rows + sign * len(bodies), size + sign * sum(map(len, bodies)))
            self._held = {**self._held, (what, backend): now}

    def of(self, what: str, backend: str) -> Held:
        """Return the counter of *what* for *backend*."""
        return self._held.get((what, backend), Held(0, 0))

    def all(self, what: str) -> Held:
        """Return the total of *what* for all backends."""
        held = [each for (kind, _), each in self._held.items() if kind == what]
        return Held(sum(each.rows for each in held), sum(each.size for each in held))

    @property
    def size(self) -> int:
        """The total bytes of all events and dead letters."""
        return sum(held.size for held in self._held.values())

    @property
    def backends(self) -> set[str]:
        """The names of all backends with events or dead letters."""
        held = {backend for (_, backend), each in self._held.items() if each.rows}
        return held - {NO_BACKEND}
