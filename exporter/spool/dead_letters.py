"""
What was never delivered, and why: the rows, for the writer's thread alone.

There are two kinds. An event that the backend refused, or that became too old, can be
sent again; a record that never became an event can only be looked at and exported.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from exporter.events import Event
from exporter.spool.statements import AMONG, numbers
from exporter.spool.waiting import FIELDS

ABOUT = ("backend", "created", "reason", "action", "status", "answer", "attempts")
BODY = FIELDS.index("body")

PAGE_BYTES = 256 * 1024
"""Of bodies and answers in one page: to show it holds up the loop for some 10 ms."""
SCANNED = 2000
"""Rows that one transaction looks at when it searches."""
MOST_NAMED = 1000
"""Ids that are remembered where there may be any number."""


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
    backend: str | None = None
    """Those of this backend; of any, when None."""
    status: int | None = None
    """Those that were answered with it; with any or no answer, when None."""

    @property
    def where(self) -> tuple[str, list[object]]:
        """Return the condition, and its parameters."""
        tests = {
            f"sequence {AMONG}": None if self.ids is None else numbers(self.ids),
            "backend = ?": self.backend,
            "status = ?": self.status,
        }
        tests = {test: value for test, value in tests.items() if value is not None}
        conditions = ["sequence > ?", "sequence < ?", *tests]
        return " AND ".join(conditions), [*tests.values()]

    @property
    def is_a_search(self) -> bool:
        """Whether rows that aren't chosen have to be looked at, any number of them."""
        return self.ids is None and (self.backend, self.status) != (None, None)


ALL = Choice()


class Window(NamedTuple):
    """Where to look: between two ids, from which end."""

    after: int = 0
    before: int = 2**63 - 1
    newest_first: bool = False

    def behind(self, identifier: int) -> "Window":
        """Return what is left of it when all up to *identifier* was looked at."""
        if self.newest_first:
            return self._replace(before=identifier)
        return self._replace(after=identifier)


class Page(NamedTuple):
    """Some of the dead letters that are looked for; perhaps none."""

    letters: Sequence[DeadLetter]
    rest: Window | None
    """Where the others are, if there are any."""


class Handled:
    """What became of a choice of dead letters, page by page."""

    def __init__(self, choice: Choice) -> None:
        """Begin with nothing of *choice*."""
        self._missing = set(choice.ids or ())
        self.count = 0
        """So many wait again, or are gone."""
        self.never_events = 0
        """So many were left where they are because they never became an event."""
        self.never_event_ids: list[int] = []
        """The ids of the first of those."""
        self.of_no_backend = 0
        """So many were left because their backend isn't configured."""

    def add(self, page: Page, left: Sequence[DeadLetter] = ()) -> None:
        """Learn that *page* was handled, apart from what was *left* of it."""
        self._missing.difference_update(letter.id for letter in page.letters)
        self.count += len(page.letters) - len(left)
        never = [letter.id for letter in left if letter.event is None]
        self.never_events += len(never)
        self.never_event_ids = (self.never_event_ids + never)[:MOST_NAMED]
        self.of_no_backend += len(left) - len(never)

    @property
    def unknown(self) -> list[int]:
        """The ids among the chosen that don't exist."""
        return sorted(self._missing)


class DeadLetters:
    """The table of dead letters; the store keeps the totals."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use *connection*, which the caller keeps open."""
        self._connection = connection

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
        """Keep *events*, each its only backend's, for the reason in *verdict*."""
        reason, status, answer, attempts = verdict
        about = (_now(), reason, "", status, answer, attempts)
        self._connection.executemany(
            f"INSERT INTO dead_letter ({', '.join(ABOUT + FIELDS)}) "  # noqa: S608
            f"VALUES ({','.join('?' * len(ABOUT + FIELDS))})",
            [(*event.backends, *about, *event[:-2]) for event in events],
        )

    def page(self, choice: Choice, window: Window, limit: int) -> Page:
        """
        Return at most *limit* of *choice* in *window*, and where to go on.

        Neither a page nor the work for it grows with how many there are.
        """
        order = "DESC" if window.newest_first else "ASC"
        near, rest = self._near(choice, window, order)
        condition, parameters = choice.where
        rows = self._connection.execute(
            f"SELECT sequence, {', '.join(ABOUT + FIELDS)} FROM dead_letter "  # noqa: S608
            f"WHERE {condition} ORDER BY sequence {order} LIMIT ?",
            (near.after, near.before, *parameters, limit),
        )
        letters, size = [], 0
        with closing(rows):
            for letter in _letters(rows):
                letters.append(letter)
                size += len(letter.body) + len(letter.answer)
                if len(letters) == limit or size >= PAGE_BYTES:
                    return Page(letters, window.behind(letter.id))
        return Page(letters, rest)

    def newest(self) -> int:
        """Return the highest id."""
        (newest,) = self._connection.execute(
            "SELECT max(sequence) FROM dead_letter"
        ).fetchone()
        return newest or 0

    def _near(
        self, choice: Choice, window: Window, order: str
    ) -> tuple[Window, Window | None]:
        """Return as much of *window* as may be searched at once, and the rest."""
        if not choice.is_a_search:
            return window, None
        horizon = self._connection.execute(
            "SELECT sequence FROM dead_letter WHERE sequence > ? AND sequence < ? "  # noqa: S608
            f"ORDER BY sequence {order} LIMIT 1 OFFSET ?",
            (window.after, window.before, SCANNED),
        ).fetchone()
        if horizon is None:
            return window, None
        if window.newest_first:
            return window._replace(after=horizon[0]), window.behind(horizon[0] + 1)
        return window._replace(before=horizon[0]), window.behind(horizon[0] - 1)

    def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Keep *letters* no longer."""
        self._connection.execute(
            f"DELETE FROM dead_letter WHERE sequence {AMONG}",  # noqa: S608
            (numbers(letter.id for letter in letters),),
        )


def _letters(rows: Iterable[tuple[Any, ...]]) -> Iterator[DeadLetter]:
    for identifier, *row in rows:
        about, fields = row[: len(ABOUT)], row[len(ABOUT) :]
        backend, partition = about[0], fields[0]
        event = None if partition is None else Event._make([*fields, (backend,), ()])
        yield DeadLetter._make([identifier, *about, event, fields[BODY]])


def _now() -> int:
    return time.time_ns() // 1_000_000
