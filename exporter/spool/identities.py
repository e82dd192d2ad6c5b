"""
What was accepted before: the broker sends its last minutes again after every restart.

When in doubt a duplicate, never a loss: positions start again after a purge or a
restore, and two clusters may send to one service. So an event is a repeat only if all
of its identity is remembered.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.statements import by_the_dozen, insert

REMEMBER_MS = 60 * 60 * 1000
LATER_MS = 24 * REMEMBER_MS
"""What is later by more is of a clock that was set back, or nonsense."""
REMEMBER_AT_LEAST = 100_000
REMEMBER_AT_MOST = 1_000_000
LOOK_EVERY = 1000
LARGEST = 2**63 - 1  # that SQLite knows

# In the order of the table, which is that of time, so that the ends can be forgotten.
COLUMNS = ("tenant", "partition", "timestamp", "position", "key")
ALL = ", ".join(COLUMNS)
KNOWN = f"""
    WITH asked ({ALL}) AS (VALUES {{}})
    SELECT asked.* FROM asked CROSS JOIN identity USING ({ALL})
"""  # noqa: S608 - constants
OF_PARTITION = "FROM identity WHERE tenant = ?1 AND partition = ?2"
COUNT = f"SELECT count(*) {OF_PARTITION}"
BEYOND = f"SELECT 1 {OF_PARTITION} AND timestamp {{}} ?3 LIMIT ?4"
COUNT_BEYOND = f"SELECT count(*) FROM ({BEYOND})"  # noqa: S608 - constants
NTH = f"""
    SELECT timestamp, position, key {OF_PARTITION}
    ORDER BY timestamp {{0}}, position {{0}}, key {{0}} LIMIT 1 OFFSET ?3
"""
DELETE = f"DELETE {OF_PARTITION} AND (timestamp, position, key) {{}} (?3, ?4, ?5)"
OLDEST, LATEST = ("<", "ASC"), (">", "DESC")


NOTHING = (-1, -1, 0)

Partition = tuple[str, int]
"""A physical tenant, and the number of one of its partitions."""


@dataclass(slots=True)
class Memory:
    """What is at hand of one partition, to ask the file less."""

    count: int
    """How many of its identities are remembered."""
    last: tuple[int, int, int]
    """Latest time, position and key: what is beyond it can't be a repeat."""
    highest: int
    """The highest position since positions last started again."""

    def starts_again(self, event: Event) -> bool:
        """Learn of a new *event*; return whether positions start again with it."""
        again = event.position <= self.highest and event.timestamp > self.last[0]
        if again or event.position > self.highest:
            self.highest = event.position
        self.last = max(self.last, (event.timestamp, event.position, event.key))
        return again


class Fresh(NamedTuple):
    """Events that are no repeats."""

    events: list[Event]
    epochs: list[Event]
    """Those among them with which the positions of a partition started again."""


class Identities:
    """The memory of one spool; used inside the writer's transactions only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use *connection*, which the caller keeps open."""
        self._connection = connection
        self._memories: dict[Partition, Memory] = {}

    def reload(self) -> None:
        """Drop what a transaction that was rolled back has left in memory."""
        self._memories.clear()

    def fresh(self, events: Sequence[Event]) -> Fresh:
        """Sort out what of *events* was never accepted, and remember it."""
        by_partition = defaultdict(list)
        for event in events:
            by_partition[event.tenant, event.partition].append(event)
        fresh = Fresh([], [])
        for of, group in by_partition.items():
            if of not in self._memories:
                self._memories[of] = self._read(*of)
            new = self._insert(of, group)
            starts_again = self._memories[of].starts_again
            fresh.events.extend(new)
            fresh.epochs.extend(event for event in new if starts_again(event))
            if new:
                self._forget(of, len(new), new[-1].timestamp)
        return fresh

    def _insert(self, of: Partition, events: list[Event]) -> list[Event]:
        """Remember *events* of one partition; return those that weren't yet."""
        # By their rows, because the same record may be there twice.
        new = {(*of, each.timestamp, each.position, each.key): each for each in events}
        last = (*of, *self._memories[of].last)
        if not all(before < row for before, row in pairwise((last, *new))):
            for places, values in by_the_dozen([*new]):
                for row in self._connection.execute(KNOWN.format(places), values):
                    del new[row]
        insert(self._connection, "identity", COLUMNS, [*new])
        return [*new.values()]

    def _forget(self, of: Partition, came: int, now: int) -> None:
        """Forget what is far from *now*, and what is beyond the largest number."""
        memory = self._memories[of]
        before = memory.count
        memory.count += came
        if before // LOOK_EVERY == memory.count // LOOK_EVERY:
            return
        # A bounded step, so that no commit takes long; twice as large as what came
        # since the last look, so that it catches up.
        step = min(memory.count - REMEMBER_AT_LEAST, 2 * max(came, LOOK_EVERY))
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

    def _read(self, *of: object) -> Memory:
        (count,) = self._one(COUNT, *of)
        last = self._one(NTH.format("DESC"), *of, 0) or NOTHING
        return Memory(count, last, highest=last[1])

    def _one(self, query: str, *parameters: object) -> Any:
        return self._connection.execute(query, parameters).fetchone()
