"""
The events that wait: their rows, for the writer's thread alone.

One that several backends are to get waits once for each of them. A backend's rows lie
next to each other, in a range of sequences of its own: so reading them never passes
over those of another, however many there are, and costs no index.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from exporter.events import Event
from exporter.spool.statements import AMONG, insert, numbers

RANGE = 1 << 44
"""How many sequences a backend has. Which range is whose, the rows themselves say."""

# All but its backends, in the order of an event's fields.
FIELDS = (
    "partition",
    "position",
    "timestamp",
    "key",
    "instance",
    "body",
    "kind",
    "broker",
    "tenant",
)
COLUMNS = ("sequence", "backend", *FIELDS)
SELECT = f"SELECT sequence, {', '.join(FIELDS)} FROM event "  # noqa: S608
BETWEEN = "WHERE sequence > ? AND sequence < ? ORDER BY sequence"
SELECT_BETWEEN = f"{SELECT} {BETWEEN} LIMIT ?"
SELECT_OLDEST = f"SELECT timestamp FROM event {BETWEEN} LIMIT 1"  # noqa: S608 - constants
SELECT_BEGIN = f"SELECT sequence, backend FROM event {BETWEEN} LIMIT 1"  # noqa: S608
SELECT_END = f"SELECT sequence FROM event {BETWEEN} DESC LIMIT 1"  # noqa: S608
SELECT_AMONG = f"{SELECT} WHERE sequence {AMONG} ORDER BY sequence"
DELETE_AMONG = f"DELETE FROM event WHERE sequence {AMONG}"  # noqa: S608 - constants


class Entry(NamedTuple):
    """An event and its place in the spool."""

    sequence: int
    event: Event


class WaitingEvents:
    """The table of events; the store keeps the totals."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use *connection*, which the caller keeps open."""
        self._connection = connection
        # A transaction that fails leaves it higher than any row is, which does no harm:
        # a sequence must not come again.
        self._newest = newest_of_each(connection)

    def newest(self, backend: str) -> int:
        """Return *backend*'s highest sequence since opening; 0 before the first."""
        return self._newest.get(backend, 0)

    def append(self, events: Sequence[Event]) -> list[Entry]:
        """Let each of *events* wait for each of its backends, behind all others."""
        entries: list[Entry] = []
        for backend, queue in _queues(events).items():
            if backend not in self._newest:
                self._newest[backend] = self._unused()
            first = self._newest[backend] + 1
            entries += map(Entry, range(first, first + RANGE), queue)
            self._newest[backend] = entries[-1].sequence
        rows = [(number, *event.backends, *event[:-2]) for number, event in entries]
        insert(self._connection, "event", COLUMNS, rows)
        return entries

    def remove(self, entries: Sequence[Entry]) -> None:
        """Keep *entries* no longer."""
        sequences = numbers(entry.sequence for entry in entries)
        self._connection.execute(DELETE_AMONG, (sequences,))

    def after(
        self, backend: str, sequence: int, limit: int, size: int
    ) -> tuple[list[Entry], bool]:
        """Return some of *backend*'s events behind *sequence*, and whether it's all."""
        begin, end = self._bounds(backend)
        bounds = max(begin, sequence), end
        rows = self._connection.execute(SELECT_BETWEEN, (*bounds, limit))
        entries, all_of_them = _up_to(size, rows, backend)
        return entries, all_of_them and len(entries) < limit

    def at(self, backend: str, sequences: Iterable[int], size: int) -> list[Entry]:
        """Return *backend*'s first events at *sequences*: some *size* bytes."""
        rows = self._connection.execute(SELECT_AMONG, (numbers(sequences),))
        return _up_to(size, rows, backend)[0]

    def oldest(self, backend: str) -> int | None:
        """Return the engine time of *backend*'s first event, if one waits."""
        bounds = self._bounds(backend)
        first = self._connection.execute(SELECT_OLDEST, bounds).fetchone()
        return first[0] if first else None

    def _bounds(self, backend: str) -> tuple[int, int]:
        """Return between which sequences all of *backend*'s are."""
        if backend not in self._newest:
            return 0, 0
        begin = self._newest[backend] // RANGE * RANGE
        return begin, begin + RANGE

    def _unused(self) -> int:
        """Return the beginning of a range that is nobody's."""
        used = {newest // RANGE for newest in self._newest.values()}
        return RANGE * next(number for number in count() if number not in used)


def newest_of_each(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the highest sequence of each backend for which something waits."""
    found: dict[str, int] = {}
    end, last = 0, 2**63 - 1
    while first := connection.execute(SELECT_BEGIN, (end, last)).fetchone():
        sequence, backend = first
        begin = sequence // RANGE * RANGE
        end = begin + RANGE
        (found[backend],) = connection.execute(SELECT_END, (begin, end)).fetchone()
    return found


def _queues(events: Sequence[Event]) -> Mapping[str, Sequence[Event]]:
    """Return what each backend is to get of *events*, in order and for it alone."""
    queues = defaultdict(list)
    for event in events:
        for backend in event.backends:
            alone = len(event.backends) == 1
            own = event if alone else event._replace(backends=(backend,))
            queues[backend].append(own)
    return queues


def _up_to(size: int, rows: sqlite3.Cursor, backend: str) -> tuple[list[Entry], bool]:
    """Return at least one of *rows*, until *size* is reached, and whether it's all."""
    backends = (backend,)
    entries: list[Entry] = []
    for sequence, *fields in rows:
        if size <= 0:
            rows.close()
            return entries, False
        entries.append(Entry(sequence, Event._make([*fields, backends, ()])))
        size -= len(entries[-1].event.body)
    return entries, True
