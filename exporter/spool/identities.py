"""
Remember accepted events, because the broker sends its last minutes again on restart.

When in doubt, an event is accepted twice and never lost. Positions start again after a
purge or a restore, and two clusters may send to one service. So an event is a repeat
only if its whole identity is remembered.
"""

import sqlite3
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from struct import Struct, pack
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.database import insert

REMEMBER_MS = 60 * 60 * 1000
LATER_MS = 24 * REMEMBER_MS
"""A later timestamp means that a clock was set back, or that it's garbage."""
REMEMBER_AT_LEAST = 100_000
REMEMBER_AT_MOST = 1_000_000
LOOK_EVERY = 1000
LARGEST = 2**63 - 1  # the largest number in SQLite
SPAN_MS, SPAN_EVENTS = 1000, 1000
"""The most time and events of one row."""

# The columns are in the order of the primary key. Its order is that of time, so the
# oldest and the latest rows are found without a search.
IDENTITY = Struct("<3q")
NUMBERS = "timestamp, position, key"
OF_PARTITION = "FROM identity WHERE tenant = ? AND partition = ?"
KNOWN = f"SELECT {NUMBERS}, others {OF_PARTITION} AND timestamp BETWEEN ? AND ?"
COUNT = f"SELECT count(*), ifnull(sum(length(others)), 0) {OF_PARTITION}"
FROM_END = f"""
    SELECT {NUMBERS}, length(others) {OF_PARTITION}
    ORDER BY timestamp {{0}}, position {{0}}, key {{0}} LIMIT ?
"""
DELETE = f"DELETE {OF_PARTITION} AND ({NUMBERS}) {{}} (?, ?, ?)"
OLDEST, LATEST = ("<", "ASC"), (">", "DESC")
NOTHING = (-1, -1, 0)

Partition = tuple[str, int]
"""A physical tenant and the number of one of its partitions."""
Identity = tuple[int, int, int]
"""The time, position and key of an event."""


@dataclass(slots=True)
class Memory:
    """Facts about the identities of one partition that are kept in memory."""

    count: int
    last: Identity
    """The latest one: a later event can't be a repeat."""
    highest: int
    """The highest position since positions last started again."""

    def epochs(self, events: Sequence[Event]) -> list[Event]:
        """Note new *events*, and return those with which positions start again."""
        found = []
        latest = self.last[0]
        for event in events:
            if event.position > self.highest:
                self.highest = event.position
            elif event.timestamp > latest:
                self.highest = event.position
                found.append(event)
            latest = max(latest, event.timestamp)
        return found


class Fresh(NamedTuple):
    """Events that are not repeats."""

    events: list[Event]
    epochs: list[Event]
    """The events with which the positions of a partition started again."""


class Identities:
    """The identities in one spool; for the writer's transactions only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._memories: dict[Partition, Memory] = {}

    def reload(self) -> None:
        """Forget the facts in memory, after a rollback."""
        self._memories.clear()

    def fresh(self, events: Sequence[Event]) -> Fresh:
        """Return the *events* that are not repeats, and remember them."""
        by_partition = defaultdict(list)
        for event in events:
            by_partition[event.tenant, event.partition].append(event)
        fresh = Fresh([], [])
        for of, group in by_partition.items():
            if of not in self._memories:
                self._memories[of] = self._load(of)
            memory = self._memories[of]
            # Keyed by identity, because a request may hold the same record twice.
            new = {(each.timestamp, each.position, each.key): each for each in group}
            ordered = sorted(new)
            if ordered[0] <= memory.last:
                for identity in self._known(of, ordered[0][0], ordered[-1][0]):
                    new.pop(identity, None)
                ordered = sorted(new)
            if new:
                insert(self._connection, "INSERT INTO identity", [*_rows(of, ordered)])
                fresh.events.extend(new.values())
                fresh.epochs.extend(memory.epochs([*new.values()]))
                memory.last = max(memory.last, ordered[-1])
                self._forget(of, len(new), group[-1].timestamp)
        return fresh

    def _load(self, of: Partition) -> Memory:
        rows, size = self._connection.execute(COUNT, of).fetchone()
        last = next(self._from(LATEST, of, 1), (NOTHING, 0))[0]
        return Memory(rows + size // IDENTITY.size, last, highest=last[1])

    def _known(self, of: Partition, first: int, last: int) -> Iterator[Identity]:
        """Yield all identities from the time *first* to *last*, and some others."""
        end = min(last + SPAN_MS, LARGEST)
        for *identity, others in self._connection.execute(KNOWN, (*of, first, end)):
            yield tuple(identity)
            # A damaged row may have another length.
            whole = len(others) - len(others) % IDENTITY.size
            yield from IDENTITY.iter_unpack(others[:whole])

    def _from(
        self, end: tuple[str, str], of: Partition, most: int
    ) -> Iterator[tuple[Identity, int]]:
        """Yield the last identity of each row from one *end*, and how many it has."""
        rows = self._connection.execute(FROM_END.format(end[1]), (*of, most))
        for *identity, size in rows:
            yield tuple(identity), 1 + size // IDENTITY.size

    def _forget(self, of: Partition, added: int, now: int) -> None:
        """Forget identities far from *now*, and those above the largest number."""
        memory = self._memories[of]
        before = memory.count
        memory.count += added
        if before // LOOK_EVERY == memory.count // LOOK_EVERY:
            return
        later, earlier = min(now + LATER_MS, LARGEST), now - REMEMBER_MS
        # The rows are limited, so that no commit takes long. They are twice as many as
        # can be new, so that forgetting catches up. Reading ends at the first kept row,
        # because there are thousands of rows, or megabytes in few rows.
        most = 2 * max(added, LOOK_EVERY) + 1
        for end in (LATEST, OLDEST):
            last_kept = None
            for ((timestamp, _, _), held), (kept, _) in pairwise(
                self._from(end, of, most)
            ):
                too_many = end is OLDEST and memory.count > REMEMBER_AT_MOST
                is_far = timestamp > later if end is LATEST else timestamp < earlier
                if memory.count - held < REMEMBER_AT_LEAST or not (is_far or too_many):
                    break
                memory.count -= held
                last_kept = kept
            if last_kept:
                self._connection.execute(DELETE.format(end[0]), (*of, *last_kept))
                if end is LATEST:
                    memory.last = last_kept


def _rows(of: Partition, ordered: Sequence[Identity]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows for identities of one partition that are in order."""
    start = 0
    while start < len(ordered):
        first, _, _ = ordered[start]
        beyond = (first + SPAN_MS, LARGEST, LARGEST)
        end = bisect(ordered, beyond, start, min(start + SPAN_EVENTS, len(ordered)))
        others = ordered[start : end - 1]
        numbers = pack(f"<{3 * len(others)}q", *chain.from_iterable(others))
        yield *of, *ordered[end - 1], numbers
        start = end
