"""
What was never delivered, and why: the rows, for the writer's thread alone.

There are two kinds. An event that the backend refused, or that became too old, can be
sent again; a record that never became an event can only be looked at and exported.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.statements import numbers

EVENT = ("partition", "position", "timestamp", "key", "instance", "body")
COLUMNS = ("backend", "created", "reason", "action", "status", "answer", "attempts")


class Unreadable(NamedTuple):
    """A record that could not become an event, to be kept aside as a dead letter."""

    reason: str
    action: str
    """What the broker called it: the index and id of its bulk item."""
    body: bytes


class Verdict(NamedTuple):
    """Why an event is given up."""

    reason: str
    status: int | None = None
    """Of the backend's last answer, when there was one."""
    answer: str = ""
    """The beginning of that answer's body."""
    attempts: int = 0


class DeadLetter(NamedTuple):
    """One dead letter, as people see it."""

    id: int
    backend: str | None
    created: int
    """Milliseconds since 1970."""
    reason: str
    action: str
    status: int | None
    answer: str
    attempts: int
    event: Event | None
    """None when it never became one."""
    body: bytes


class Choice(NamedTuple):
    """Which dead letters are meant."""

    ids: Sequence[int] | None = None
    """All, when None."""
    reason: str = ""
    """Those whose reason holds this text."""

    @property
    def where(self) -> tuple[str, list[str]]:
        """Return the condition, and its parameters."""
        conditions, parameters = ["sequence > ?"], []
        if self.ids is not None:
            conditions.append("sequence IN (SELECT value FROM json_each(?))")
            parameters.append(numbers(self.ids))
        if self.reason:
            conditions.append("instr(lower(reason), lower(?))")
            parameters.append(self.reason)
        return " AND ".join(conditions), parameters


ALL = Choice()


class DeadLetters:
    """The table of dead letters; the store keeps the totals."""

    def __init__(self, connection: sqlite3.Connection, backend: str) -> None:
        """Use *connection*, which the caller keeps open; events are *backend*'s."""
        self._connection = connection
        self._backend = backend

    def keep_aside(self, unreadable: Unreadable) -> bool:
        """Tell whether *unreadable* is new; what is still kept is not kept twice."""
        digest = hashlib.sha256(unreadable.action.encode() + b"\n" + unreadable.body)
        kept = self._connection.execute(
            "INSERT OR IGNORE INTO dead_letter "
            "(created, reason, action, body, digest) VALUES (?, ?, ?, ?, ?)",
            (_now(), *unreadable, digest.digest()),
        ).rowcount
        return bool(kept)

    def bury(self, events: Sequence[Event], verdict: Verdict) -> None:
        """Keep *events*, which are given up for the reason in *verdict*."""
        reason, status, answer, attempts = verdict
        about = (self._backend, _now(), reason, "", status, answer, attempts)
        self._connection.executemany(
            f"INSERT INTO dead_letter ({', '.join(COLUMNS + EVENT)}) "  # noqa: S608
            f"VALUES ({','.join('?' * len(COLUMNS + EVENT))})",
            [(*about, *event) for event in events],
        )

    def page(self, choice: Choice, after: int, limit: int) -> list[DeadLetter]:
        """Return at most *limit* of *choice* behind the id *after*, oldest first."""
        condition, parameters = choice.where
        rows = self._connection.execute(
            f"SELECT sequence, {', '.join(COLUMNS + EVENT)} FROM dead_letter "  # noqa: S608
            f"WHERE {condition} ORDER BY sequence LIMIT ?",
            (after, *parameters, limit),
        )
        return list(_letters(rows))

    def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Keep *letters* no longer."""
        self._connection.execute(
            "DELETE FROM dead_letter "
            "WHERE sequence IN (SELECT value FROM json_each(?))",
            (numbers(letter.id for letter in letters),),
        )


def _letters(rows: Iterable[tuple[Any, ...]]) -> Iterator[DeadLetter]:
    for identifier, *row in rows:
        about, fields = row[: len(COLUMNS)], row[len(COLUMNS) :]
        (partition, *_, body) = fields
        event = None if partition is None else Event(*fields)
        yield DeadLetter._make([identifier, *about, event, body])


def _now() -> int:
    return time.time_ns() // 1_000_000
