"""
The table of waiting events.

An event has one row for each of its backends. The rows of a backend lie next to each
other, in a range of sequences of its own. So reading a backend's rows never skips the
rows of another backend, and needs no index.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import NamedTuple

from exporter.events import Event
from exporter.spool.database import AMONG, insert, json_list
from exporter.spool.totals import EVENT, Totals

RANGE = 1 << 44
"""The number of sequences of one backend; the rows show which range it has."""

# The fields of an event in their order, without its backends.
FIELDS = (
    *("partition", "position", "timestamp", "key", "instance"),
    *("body", "kind", "broker", "tenant"),
)
INSERT = f"INSERT INTO event (sequence, backend, {', '.join(FIELDS)})"
SELECT = f"SELECT sequence, {', '.join(FIELDS)} FROM event "  # noqa: S608
BETWEEN = "WHERE sequence > ? AND sequence < ? ORDER BY sequence"
SELECT_BETWEEN = f"{SELECT} {BETWEEN} LIMIT ?"
SELECT_FIRST = f"SELECT sequence, backend FROM event {BETWEEN} LIMIT 1"  # noqa: S608
SELECT_LAST = f"SELECT sequence FROM event {BETWEEN} DESC LIMIT 1"  # noqa: S608
SELECT_AMONG = f"{SELECT} WHERE sequence {AMONG} ORDER BY sequence"
DELETE_AMONG = f"DELETE FROM event WHERE sequence {AMONG}"  # noqa: S608
DELETE_RANGE = "DELETE FROM event WHERE sequence BETWEEN ? AND ?"


class Entry(NamedTuple):
    """An event and its sequence in the spool."""

    sequence: int
    event: Event


class WaitingEvents:
    """The waiting events of all backends; for the writer's thread alone."""

    def __init__(self, connection: sqlite3.Connection, totals: Totals) -> None:
        self._connection = connection
        self._totals = totals
        # After a failed transaction this is higher than any row. That does no harm: no
        # sequence may be used twice.
        self._newest = newest_of_each(connection)

    def newest(self, backend: str) -> int:
        """Return *backend*'s highest sequence; 0 before its first event."""
        return self._newest.get(backend, 0)

    def append(self, events: Sequence[Event]) -> list[Entry]:
        """Add a row for each backend of *events*, after all other rows of it."""
        queues = defaultdict(list)
        for event in events:
            for name in event.backends:
                own = event._replace(backends=(name,)) if event.backends[1:] else event
                queues[name].append(own)
        entries: list[Entry] = []
        for backend, queue in queues.items():
            if backend not in self._newest:
                used = {newest // RANGE for newest in self._newest.values()}
                unused = next(number for number in count() if number not in used)
                self._newest[backend] = unused * RANGE
            entries += map(Entry, count(self._newest[backend] + 1), queue)
            self._newest[backend] = entries[-1].sequence
            self._totals.add(EVENT, backend, [event.body for event in queue])
        rows = [(number, *event.backends, *event[:-2]) for number, event in entries]
        insert(self._connection, INSERT, rows)
        return entries

    def remove(self, backend: str, entries: Sequence[Entry]) -> None:
        """Delete *backend*'s *entries*."""
        sequences = [entry.sequence for entry in entries]
        first, last = min(sequences, default=0), max(sequences, default=0)
        if last - first == len(sequences) - 1:  # they are adjacent
            self._connection.execute(DELETE_RANGE, (first, last))
        else:
            self._connection.execute(DELETE_AMONG, (json_list(sequences),))
        bodies = [entry.event.body for entry in entries]
        self._totals.add(EVENT, backend, bodies, sign=-1)

    def page(
        self, backend: str, after: int, limit: int, size: int
    ) -> tuple[list[Entry], int]:
        """
        Return *backend*'s next events, and the sequence up to which they are complete.

        There are at most *limit* of them. Reading stops once *size* bytes are read.
        """
        begin = self.newest(backend) // RANGE * RANGE
        end = begin + RANGE if backend in self._newest else 0
        bounds = max(begin, after), end
        rows = self._connection.execute(SELECT_BETWEEN, (*bounds, limit))
        entries, complete = _read(rows, backend, size)
        if complete and len(entries) < limit:
            return entries, self.newest(backend)
        return entries, entries[-1].sequence

    def at(self, backend: str, sequences: Iterable[int], size: int) -> list[Entry]:
        """Return *backend*'s events at *sequences*, until *size* bytes are read."""
        rows = self._connection.execute(SELECT_AMONG, (json_list(sequences),))
        return _read(rows, backend, size)[0]


def newest_of_each(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the highest sequence of each backend with waiting events."""
    found: dict[str, int] = {}
    end, last = 0, 2**63 - 1
    while first := connection.execute(SELECT_FIRST, (end, last)).fetchone():
        sequence, backend = first
        begin = sequence // RANGE * RANGE
        end = begin + RANGE
        (found[backend],) = connection.execute(SELECT_LAST, (begin, end)).fetchone()
    return found


def _read(rows: sqlite3.Cursor, backend: str, size: int) -> tuple[list[Entry], bool]:
    """Return the events of *rows* until *size* is reached, and whether they are all."""
    backends = (backend,)
    entries: list[Entry] = []
    for sequence, *fields in rows:
        if size <= 0:
            rows.close()
            return entries, False
        entries.append(Entry(sequence, Event._make([*fields, backends, ()])))
        size -= len(entries[-1].event.body)
    return entries, True
