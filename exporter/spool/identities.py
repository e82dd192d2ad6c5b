"""
What was accepted before: the broker sends its last minutes again after every restart.

When in doubt a duplicate, never a loss: positions start again after a purge or a
restore, so an event is a repeat only if all of its identity is remembered, or if it is
older than what was forgotten in both position and time.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.events import Event
from exporter.spool.statements import insert, numbers

REMEMBER_MS = 60 * 60 * 1000
REMEMBER_AT_LEAST = 100_000
REMEMBER_AT_MOST = 1_000_000
LOOK_EVERY = 1000

COLUMNS = ("partition", "sequence", "position", "timestamp", "key")


@dataclass(slots=True)
class Memory:
    """What `fresh` has to know of one partition before it asks the file."""

    oldest: int = 1
    """Sequence of the oldest remembered identity."""
    newest: int = 0
    timestamp: int = 0
    """Engine time of the newest identity, in milliseconds."""
    highest: int = -1
    """At or above every accepted position: whatever is beyond can't be a repeat."""
    forgotten_position: int = -1
    forgotten_timestamp: int = -1
    epoch: int = 0
    """Sequence of the first identity since positions last started again."""
    looked: int = 0
    """The newest sequence when it was last looked for what can be forgotten."""


class Fresh(NamedTuple):
    """Events that are no repeats."""

    events: list[Event]
    epochs: list[Event]
    """Those among them with which the positions of a partition started again."""
    assumed: list[Event]
    """Those that aren't among them only because they are older than the memory."""


class Identities:
    """The memory of one spool; used inside the writer's transactions only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use *connection*, which the caller keeps open."""
        self._connection = connection
        self._memories: dict[int, Memory] = {}

    def reload(self) -> None:
        """Drop what a transaction that was rolled back has left in memory."""
        self._memories.clear()

    def fresh(self, events: Sequence[Event]) -> Fresh:
        """Sort out what of *events* was never accepted, and remember it."""
        by_partition = defaultdict(list)
        for event in events:
            by_partition[event.partition].append(event)
        fresh = Fresh([], [], [])
        for partition, group in by_partition.items():
            self._add_fresh(partition, group, fresh)
        return fresh

    def _add_fresh(self, partition: int, events: list[Event], to: Fresh) -> None:
        memory = self._memory(partition)
        known = self._look_up(
            partition, [e.position for e in events if e.position <= memory.highest]
        )
        rows = []
        sequence = memory.newest
        for event in events:
            accepted = known.setdefault(event.position, {})
            if (event.timestamp, event.key) in accepted:
                continue
            if (
                event.position <= memory.forgotten_position
                and event.timestamp <= memory.forgotten_timestamp
            ):
                to.assumed.append(event)
                continue
            sequence += 1
            if accepted and max(accepted.values()) >= memory.epoch:
                to.epochs.append(event)
                memory.epoch = sequence
                self._write(partition, memory)
            accepted[event.timestamp, event.key] = sequence
            to.events.append(event)
            rows.append((partition, sequence, *event[1:4]))
            memory.highest = max(memory.highest, event.position)
            memory.timestamp = event.timestamp
        if rows:
            insert(self._connection, "identity", COLUMNS, rows)
            memory.newest = sequence
            self._forget(partition, memory)

    def _look_up(
        self, partition: int, positions: list[int]
    ) -> dict[int, dict[tuple[int, int], int]]:
        """Return what is remembered at *positions*: (timestamp, key) to sequence."""
        found: dict[int, dict[tuple[int, int], int]] = {}
        if positions:
            rows = self._connection.execute(
                "SELECT position, timestamp, key, sequence FROM identity "
                "WHERE partition = ? AND position IN (SELECT value FROM json_each(?))",
                (partition, numbers(positions)),
            )
            for position, timestamp, key, sequence in rows:
                found.setdefault(position, {})[timestamp, key] = sequence
        return found

    def _forget(self, partition: int, memory: Memory) -> None:
        """Forget the oldest, beyond an hour of engine time or the largest number."""
        came = memory.newest - memory.looked
        if came < LOOK_EVERY:
            return
        memory.looked = memory.newest
        must = memory.newest + 1 - REMEMBER_AT_MOST
        may = memory.newest + 1 - REMEMBER_AT_LEAST
        # A bounded step, so that no commit takes long; twice as large as what came
        # since the last look, so that it catches up.
        may = min(may, memory.oldest + 2 * came)
        (keep,) = self._connection.execute(
            "SELECT sequence FROM identity WHERE partition = ? AND sequence < ? "
            "AND (timestamp >= ? AND sequence >= ?) ORDER BY sequence LIMIT 1",
            (partition, may, memory.timestamp - REMEMBER_MS, must),
        ).fetchone() or (may,)
        if keep <= memory.oldest:
            return
        memory.forgotten_position, memory.forgotten_timestamp = self._at(
            partition, keep - 1
        )
        self._connection.execute(
            "DELETE FROM identity WHERE partition = ? AND sequence < ?",
            (partition, keep),
        )
        memory.oldest = keep
        self._write(partition, memory)

    def _at(self, partition: int, sequence: int) -> tuple[int, int]:
        position, timestamp = self._connection.execute(
            "SELECT position, timestamp FROM identity "
            "WHERE partition = ? AND sequence = ?",
            (partition, sequence),
        ).fetchone()
        return position, timestamp

    def _write(self, partition: int, memory: Memory) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?)",
            (
                partition,
                memory.epoch,
                memory.forgotten_position,
                memory.forgotten_timestamp,
            ),
        )

    def _memory(self, partition: int) -> Memory:
        if partition not in self._memories:
            self._memories[partition] = self._read(partition)
        return self._memories[partition]

    def _read(self, partition: int) -> Memory:
        memory = Memory()
        one = self._connection.execute
        if row := one(
            "SELECT epoch, forgotten_position, forgotten_timestamp FROM memory "
            "WHERE partition = ?",
            (partition,),
        ).fetchone():
            memory.epoch, memory.forgotten_position, memory.forgotten_timestamp = row
        oldest, newest, highest = one(
            "SELECT (SELECT min(sequence) FROM identity WHERE partition = ?1),"
            " (SELECT max(sequence) FROM identity WHERE partition = ?1),"
            " (SELECT max(position) FROM identity WHERE partition = ?1)",
            (partition,),
        ).fetchone()
        if newest is not None:
            memory.oldest, memory.newest = oldest, newest
            # A multiple, so that not even who restarts all the time forgets to look.
            memory.looked = newest - newest % LOOK_EVERY
            memory.highest = highest
            _, memory.timestamp = self._at(partition, newest)
        return memory
