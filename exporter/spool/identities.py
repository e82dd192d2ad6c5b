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
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.statements import insert

REMEMBER_MS = 60 * 60 * 1000
LATER_MS = 24 * REMEMBER_MS
"""What is later by more is of a clock that was set back, or nonsense."""
REMEMBER_AT_LEAST = 100_000
REMEMBER_AT_MOST = 1_000_000
LOOK_EVERY = 1000
LARGEST = 2**63 - 1  # that SQLite knows

# In the order of the table, which is that of time, so that the ends can be forgotten.
COLUMNS = ("tenant", "partition", "timestamp", "position", "key")
OF_PARTITION = "FROM identity WHERE tenant = ?1 AND partition = ?2"
COUNT = f"SELECT count(*) {OF_PARTITION}"
NEWEST = f"SELECT position, timestamp {OF_PARTITION} ORDER BY 2 DESC, 1 DESC LIMIT 1"
BEYOND = f"SELECT 1 {OF_PARTITION} AND timestamp {{}} ?3 LIMIT ?4"
COUNT_BEYOND = f"SELECT count(*) FROM ({BEYOND})"  # noqa: S608 - constants
KEPT = f"""
    SELECT timestamp, position, key {OF_PARTITION}
    ORDER BY timestamp {{0}}, position {{0}}, key {{0}} LIMIT 1 OFFSET ?3
"""
DELETE = f"DELETE {OF_PARTITION} AND (timestamp, position, key) {{}} (?3, ?4, ?5)"
OLDEST, LATEST = ("<", "ASC"), (">", "DESC")


@dataclass(slots=True)
class Memory:
    """What is at hand of one partition, to ask the file less."""

    count: int
    """How many of its identities are remembered."""
    highest: int
    """The highest position since positions last started again."""
    timestamp: int
    """The latest engine time, in milliseconds."""

    def starts_again(self, event: Event) -> bool:
        """Learn of a new *event*; return whether positions start again with it."""
        again = event.position <= self.highest and event.timestamp > self.timestamp
        if again or event.position > self.highest:
            self.highest = event.position
        self.timestamp = max(self.timestamp, event.timestamp)
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
        self._memories: dict[tuple[str, int], Memory] = {}

    def reload(self) -> None:
        """Drop what a transaction that was rolled back has left in memory."""
        self._memories.clear()

    def fresh(self, events: Sequence[Event]) -> Fresh:
        """Sort out what of *events* was never accepted, and remember it."""
        for each in {(event.tenant, event.partition) for event in events}:
            if each not in self._memories:
                self._memories[each] = self._read(*each)
        rows = [(e.tenant, e.partition, e.timestamp, e.position, e.key) for e in events]
        new = set(insert(self._connection, "identity", COLUMNS, rows, new=True))
        fresh, epochs = [], []
        by_partition = defaultdict(list)
        for event, row in zip(events, rows, strict=True):
            if row not in new:
                continue
            new.remove(row)  # the same record may be there twice
            fresh.append(event)
            by_partition[row[:2]].append(event)
            if self._memories[row[:2]].starts_again(event):
                epochs.append(event)
        for of, group in by_partition.items():
            self._forget(of, len(group), group[-1].timestamp)
        return Fresh(fresh, epochs)

    def _forget(self, of: tuple[str, int], came: int, now: int) -> None:
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
                kept = self._one(KEPT.format(end[1]), *of, number)
                self._connection.execute(DELETE.format(end[0]), (*of, *kept))
                memory.count -= number
                step -= number

    def _read(self, tenant: str, partition: int) -> Memory:
        (count,) = self._one(COUNT, tenant, partition)
        return Memory(count, *self._one(NEWEST, tenant, partition) or (-1, -1))

    def _one(self, query: str, *parameters: object) -> Any:
        return self._connection.execute(query, parameters).fetchone()
