"""
Remember accepted events, because the broker sends its last minutes again on restart.

When in doubt, an event is accepted twice and never lost. Positions start again after a
purge or a restore, and two clusters may send to one service. So an event is a repeat
only if its whole identity is remembered.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.database import in_chunks, insert

REMEMBER_MS = 60 * 60 * 1000
LATER_MS = 24 * REMEMBER_MS
"""A later timestamp means that a clock was set back, or that it's garbage."""
REMEMBER_AT_LEAST = 100_000
REMEMBER_AT_MOST = 1_000_000
LOOK_EVERY = 1000
LARGEST = 2**63 - 1  # the largest number in SQLite

# The columns are in the order of the primary key. Its order is that of time, so the
# oldest and the latest rows are found without a search.
COLUMNS = "tenant, partition, timestamp, position, key"
KNOWN = f"""
    WITH asked ({COLUMNS}) AS (VALUES {{}})
    SELECT asked.* FROM asked CROSS JOIN identity USING ({COLUMNS})
"""  # noqa: S608
OF_PARTITION = "FROM identity WHERE tenant = ?1 AND partition = ?2"
COUNT = f"SELECT count(*) {OF_PARTITION}"
BEYOND = f"SELECT 1 {OF_PARTITION} AND timestamp {{}} ?3 LIMIT ?4"
COUNT_BEYOND = f"SELECT count(*) FROM ({BEYOND})"  # noqa: S608
NTH = f"""
    SELECT timestamp, position, key {OF_PARTITION}
    ORDER BY timestamp {{0}}, position {{0}}, key {{0}} LIMIT 1 OFFSET ?3
"""
DELETE = f"DELETE {OF_PARTITION} AND (timestamp, position, key) {{}} (?3, ?4, ?5)"
OLDEST, LATEST = ("<", "ASC"), (">", "DESC")
NOTHING = (-1, -1, 0)

Partition = tuple[str, int]
"""A physical tenant and the number of one of its partitions."""


@dataclass(slots=True)
class Memory:
    """Facts about the identities of one partition that are kept in memory."""

    count: int
    last: tuple[int, int, int]
    """The latest time, position and key: a later event can't be a repeat."""
    highest: int
    """The highest position since positions last started again."""

    def starts_again(self, event: Event) -> bool:
        """Note a new *event*, and return whether positions start again with it."""
        again = event.position <= self.highest and event.timestamp > self.last[0]
        if again or event.position > self.highest:
            self.highest = event.position
        self.last = max(self.last, (event.timestamp, event.position, event.key))
        return again


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
                (count,) = self._one(COUNT, *of)
                last = self._one(NTH.format("DESC"), *of, 0) or NOTHING
                self._memories[of] = Memory(count, last, highest=last[1])
            new = self._insert(of, group)
            starts_again = self._memories[of].starts_again
            fresh.events.extend(new)
            fresh.epochs.extend(event for event in new if starts_again(event))
            if new:
                self._forget(of, len(new), new[-1].timestamp)
        return fresh

    def _insert(self, of: Partition, events: list[Event]) -> list[Event]:
        """Remember *events* of one partition, and return the new ones."""
        # Keyed by row, because a request may hold the same record twice.
        new = {(*of, each.timestamp, each.position, each.key): each for each in events}
        last = (*of, *self._memories[of].last)
        if not all(before < row for before, row in pairwise((last, *new))):
            for places, values in in_chunks([*new]):
                for row in self._connection.execute(KNOWN.format(places), values):
                    del new[row]
        insert(self._connection, "INSERT INTO identity", [*new])
        return [*new.values()]

    def _forget(self, of: Partition, added: int, now: int) -> None:
        """Forget identities far from *now*, and those above the largest number."""
        memory = self._memories[of]
        before = memory.count
        memory.count += added
        if before // LOOK_EVERY == memory.count // LOOK_EVERY:
            return
        # The step is limited, so that no commit takes long. It's twice as large as the
        # number of new identities, so that forgetting catches up.
        step = min(memory.count - REMEMBER_AT_LEAST, 2 * max(added, LOOK_EVERY))
        later = min(now + LATER_MS, LARGEST)
        for end, limit in ((LATEST, later), (OLDEST, now - REMEMBER_MS)):
            if step <= 0:
                return
            (number,) = self._one(COUNT_BEYOND.format(end[0]), *of, limit, step)
            if end is OLDEST:
                number = max(number, min(memory.count - REMEMBER_AT_MOST, step))
            if number:
                kept = self._one(NTH.format(end[1]), *of, number)
                self._connection.execute(DELETE.format(end[0]), (*of, *kept))
                memory.count -= number
                step -= number
                if end is LATEST:
                    memory.last = kept

    def _one(self, query: str, *parameters: object) -> Any:
        return self._connection.execute(query, parameters).fetchone()
