"""
How much the spool holds, of what and for whom.

Kept as counters beside the rows, so that opening reads none of them and nobody who asks
has to wait for the disk.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

EVENT, DEAD_LETTER = "event", "dead_letter"
NOBODY = ""
"""Whose dead letters are the records that never became an event."""

Key = tuple[str, str]
"""The table whose rows are counted, and the backend they are for."""


class Held(NamedTuple):
    """How much the spool holds of one kind."""

    rows: int
    size: int
    """Bytes of the bodies."""

    def plus(self, bodies: Sequence[bytes], sign: int = 1) -> "Held":
        """Return the sum with *bodies*, or with `sign=-1` the difference."""
        size = sum(map(len, bodies))
        return Held(self.rows + sign * len(bodies), self.size + sign * size)


NOTHING = Held(0, 0)


class Totals:
    """The counters of one file: changed in the writer's thread, read in any."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the counters through *connection*, which the caller keeps open."""
        self._connection = connection
        self.reload()

    def reload(self) -> None:
        """Read what the file says: at opening, and again after a rollback."""
        rows = self._connection.execute("SELECT what, backend, rows, bytes FROM held")
        # Replaced, never changed: another thread may be going through it.
        self._held: dict[Key, Held] = {
            (what, backend): Held(rows, size) for what, backend, rows, size in rows
        }
        self._written = self._held
        self.waiting = self._sum(EVENT)
        """Of events, whoever they are for."""
        self.dead = self._sum(DEAD_LETTER)
        """Of dead letters, likewise."""

    def write(self) -> None:
        """Write down what has changed; once per transaction, before its commit."""
        if self._held is self._written:
            return  # a transaction that only reads must not cost an fsync
        changed = [
            (*key, *held)
            for key, held in self._held.items()
            if self._written.get(key) != held
        ]
        self._written = self._held
        if changed:
            self._connection.execute(
                "INSERT OR REPLACE INTO held (what, backend, rows, bytes) "  # noqa: S608
                f"VALUES {','.join(['(?,?,?,?)'] * len(changed))}",
                [value for row in changed for value in row],
            )

    def touch(self) -> None:
        """Let the next `write` write, whether something changes or not."""
        self._written = {}

    def add(
        self, what: str, backend: str, bodies: Sequence[bytes], sign: int = 1
    ) -> None:
        """Count *bodies* in, or with `sign=-1` out."""
        if not bodies:
            return
        now = self.of(what, backend).plus(bodies, sign)
        self._held = {**self._held, (what, backend): now}
        if what == EVENT:
            self.waiting = self.waiting.plus(bodies, sign)
        else:
            self.dead = self.dead.plus(bodies, sign)

    def of(self, what: str, backend: str) -> Held:
        """Return how much of *what* is held for *backend*."""
        return self._held.get((what, backend), NOTHING)

    @property
    def backends(self) -> list[str]:
        """All for whom something is held, in the order of their names."""
        nobodys = (DEAD_LETTER, NOBODY)
        return sorted(
            {key[1] for key, held in self._held.items() if held.rows and key != nobodys}
        )

    def _sum(self, what: str) -> Held:
        held = [each for (kind, _), each in self._held.items() if kind == what]
        return Held(sum(each.rows for each in held), sum(each.size for each in held))
