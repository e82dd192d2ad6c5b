"""
The table of dead letters, with the reason for each.

There are two kinds. A rejected event can be retried. An unreadable record never became
an event, so it can only be looked at and exported.
"""

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.database import AMONG, json_list
from exporter.spool.totals import DEAD_LETTER, NO_BACKEND, Totals
from exporter.spool.waiting import FIELDS

COLUMNS = ("backend", "created", "reason", "action", "status", "answer", "attempts")
BODY = FIELDS.index("body")

PAGE_BYTES = 256 * 1024
"""Bytes of bodies and answers in a page, which blocks the event loop for some 10 ms."""
MOST_NAMED = 1000
"""Ids of unreadable records in the result of a retry."""


class Unreadable(NamedTuple):
    """A record that could not become an event, and becomes a dead letter."""

    reason: str
    action: str
    """The index and id of its bulk item."""
    body: bytes


class Rejection(NamedTuple):
    """Why an event becomes a dead letter."""

    reason: str
    status: int | None = None
    """The status of the backend's last answer, if there was one."""
    answer: str = ""
    """The beginning of that answer's body."""
    attempts: int = 0


class DeadLetter(NamedTuple):
    """One dead letter."""

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
    """None for an unreadable record."""
    body: bytes


class Choice(NamedTuple):
    """A choice of dead letters; None chooses all values."""

    ids: Sequence[int] | None = None
    backend: str | None = None
    status: int | None = None

    @property
    def where(self) -> tuple[str, list[object]]:
        """The condition in SQL, and its parameters after the bounds."""
        # With ids, no index of other columns is used: it may lead to all dead letters.
        no_index = "" if self.ids is None else "+"
        tests = {
            f"sequence {AMONG}": None if self.ids is None else json_list(self.ids),
            f"{no_index}backend = ?": self.backend,
            f"{no_index}status = ?": self.status,
        }
        tests = {test: value for test, value in tests.items() if value is not None}
        conditions = ["sequence > ?", "sequence < ?", *tests]
        return " AND ".join(conditions), [*tests.values()]


ALL = Choice()


class Window(NamedTuple):
    """The ids between two bounds, and the order to read them in."""

    after: int = 0
    before: int = 2**63 - 1
    newest_first: bool = False

    def beyond(self, identifier: int) -> "Window":
        """Return the rest of the window after reading up to *identifier*."""
        if self.newest_first:
            return self._replace(before=identifier)
        return self._replace(after=identifier)


class Page(NamedTuple):
    """Some of the chosen dead letters, or none."""

    letters: Sequence[DeadLetter]
    rest: Window | None
    """The window with the other chosen dead letters, if there may be any."""


class Handled:
    """The result of a retry or a drop, summed up page by page."""

    def __init__(self, choice: Choice) -> None:
        self._missing = set(choice.ids or ())
        self.count = 0
        """The number of retried or dropped dead letters."""
        self.never_events = 0
        """The number of unreadable records, which can't be retried."""
        self.never_event_ids: list[int] = []
        """The ids of the first of those records."""
        self.of_no_backend = 0
        """The number that can't be retried because the backend isn't configured."""

    def add(self, letters: Sequence[DeadLetter], count: int) -> None:
        """Count *letters*, of which *count* were retried or dropped."""
        self._missing.difference_update(letter.id for letter in letters)
        self.count += count
        if left := len(letters) - count:
            never = [letter.id for letter in letters if letter.event is None]
            self.never_events += len(never)
            self.never_event_ids = (self.never_event_ids + never)[:MOST_NAMED]
            self.of_no_backend += left - len(never)

    @property
    def unknown(self) -> list[int]:
        """The chosen ids that don't exist."""
        return sorted(self._missing)


class DeadLetters:
    """The dead letters of all backends; for the writer's thread alone."""

    def __init__(self, connection: sqlite3.Connection, totals: Totals) -> None:
        self._connection = connection
        self._totals = totals

    def add_unreadable(self, unreadable: Unreadable) -> int:
        """Add *unreadable*, and return 1, or 0 for a repeat."""
        digest = hashlib.sha256(unreadable.action.encode() + b"\n" + unreadable.body)
        added = self._connection.execute(
            "INSERT OR IGNORE INTO dead_letter "
            "(created, reason, action, body, digest) VALUES (?, ?, ?, ?, ?)",
            (_now(), *unreadable, digest.digest()),
        ).rowcount
        self._totals.add(DEAD_LETTER, NO_BACKEND, [unreadable.body] * added)
        return added

    def add(self, backend: str, events: Sequence[Event], rejection: Rejection) -> None:
        """Add *backend*'s *events*, for the reason in *rejection*."""
        self._totals.add(DEAD_LETTER, backend, [event.body for event in events])
        reason, status, answer, attempts = rejection
        about = (_now(), reason, "", status, answer, attempts)
        self._connection.executemany(
            f"INSERT INTO dead_letter ({', '.join(COLUMNS + FIELDS)}) "  # noqa: S608
            f"VALUES ({','.join('?' * len(COLUMNS + FIELDS))})",
            [(backend, *about, *event[:-2]) for event in events],
        )

    def page(self, choice: Choice, window: Window, limit: int) -> Page:
        """
        Return at most *limit* of *choice* in *window*, and the rest of the window.

        Neither a page nor the work for it grows with the number of dead letters.
        """
        order = "DESC" if window.newest_first else "ASC"
        condition, parameters = choice.where
        rows = self._connection.execute(
            f"SELECT sequence, {', '.join(COLUMNS + FIELDS)} FROM dead_letter "  # noqa: S608
            f"WHERE {condition} ORDER BY sequence {order} LIMIT ?",
            (window.after, window.before, *parameters, limit),
        )
        letters, size = [], 0
        with closing(rows):
            for identifier, *row in rows:
                letters.append(_letter(identifier, row))
                size += len(letters[-1].body) + len(letters[-1].answer)
                if len(letters) == limit or size >= PAGE_BYTES:
                    return Page(letters, window.beyond(identifier))
        return Page(letters, None)

    def present(self) -> Window:
        """Return the window of the dead letters of now, without later ones."""
        (newest,) = self._connection.execute(
            "SELECT max(sequence) FROM dead_letter"
        ).fetchone()
        return Window(before=(newest or 0) + 1)

    def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Delete *letters*."""
        self._connection.execute(
            f"DELETE FROM dead_letter WHERE sequence {AMONG}",  # noqa: S608
            (json_list(letter.id for letter in letters),),
        )
        for letter in letters:
            backend = letter.backend or NO_BACKEND
            self._totals.add(DEAD_LETTER, backend, [letter.body], sign=-1)


def _letter(identifier: int, row: list[Any]) -> DeadLetter:
    about, fields = row[: len(COLUMNS)], row[len(COLUMNS) :]
    backend, partition = about[0], fields[0]
    event = None if partition is None else Event._make([*fields, (backend,), ()])
    return DeadLetter._make([identifier, *about, event, fields[BODY]])


def _now() -> int:
    return time.time_ns() // 1_000_000
