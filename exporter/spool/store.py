"""
Change events, dead letters and their totals together.

Every method runs in the writer's thread, inside its transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.events import Event
from exporter.spool.dead_letters import (
    Choice,
    DeadLetters,
    Page,
    Rejection,
    Unreadable,
    Window,
)
from exporter.spool.disk import Disk
from exporter.spool.errors import SpoolFullError
from exporter.spool.identities import Identities
from exporter.spool.known import Known
from exporter.spool.totals import DEAD_LETTER, EVENT, Held, Totals
from exporter.spool.waiting import Entry, WaitingEvents

DROPPED = 100
DROPPED_BYTES = 256 * 1024
"""Events, and their bytes, that one transaction drops for a past backend."""


class Accepted(NamedTuple):
    """The result of one append."""

    entries: Sequence[Entry]
    """One for each new event and backend; those of a backend are adjacent."""
    dead_letters: int
    """The number of new dead letters."""
    repeats: int
    epochs: Sequence[Event]
    """The events with which the positions of a partition started again."""
    unknown: int = 0
    """The number of last events that no backend is known to need."""
    filled: float = 0.0
    """The used share of the spool; 1.0 is full."""


class Moved(NamedTuple):
    """A page of dead letters after a retry or a drop."""

    page: Page
    number: int
    """The number of letters that were moved: a retry can't move every letter."""
    entries: Sequence[Entry] = ()
    """The events that wait again."""


class Store:
    """The rows of one file; for the writer's thread, except the totals."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        disk: Disk,
        *,
        backends: Iterable[str],
        limit: int,
    ) -> None:
        """Keep at most *limit* bytes; *backends* are the configured ones."""
        self.disk = disk
        self._identities = Identities(connection)
        self._known = Known(connection)
        self.totals = Totals(connection)
        self.letters = DeadLetters(connection, self.totals)
        self.waiting = WaitingEvents(connection, self.totals)
        self.backends = tuple(dict.fromkeys(backends))
        self.limit = limit
        self._refused = 0
        """The bytes of the last request that didn't fit."""

    def reload(self) -> None:
        """Reload what is kept in memory, after a rollback."""
        self._identities.reload()
        self.totals.reload()

    def touch(self) -> None:
        """Make this transaction write, as an append would."""
        self.disk.check()
        self.totals.touch()

    def append(
        self, events: Sequence[Event], unreadable: Sequence[Unreadable]
    ) -> Accepted:
        """
        Keep the new ones of *events* and *unreadable*.

        Raises `SpoolFullError` if they don't all fit, and `SpoolFailedError` if the
        disk is too full.
        """
        self.disk.check()
        count, events = len(events), self._known.resolve(events)
        self._check_room(
            sum(len(event.body) * len(event.backends) for event in events)
            + sum(len(record.body) for record in unreadable)
        )
        fresh, epochs = self._identities.fresh(events)
        self._known.learn(fresh)
        return Accepted(
            self.waiting.append(fresh),
            dead_letters=sum(map(self.letters.add_unreadable, unreadable)),
            repeats=len(events) - len(fresh),
            epochs=epochs,
            unknown=count - len(events),
            filled=self.totals.size / self.limit,
        )

    def reject(
        self, backend: str, entries: Sequence[Entry], rejection: Rejection
    ) -> None:
        """Turn *backend*'s *entries* into dead letters."""
        self.waiting.remove(backend, entries)
        self.letters.add(backend, [entry.event for entry in entries], rejection)

    def drop(self, choice: Choice, window: Window, limit: int) -> Moved:
        """Delete a page of dead letters."""
        page = self.letters.page(choice, window, limit)
        self.letters.remove(page.letters)
        return Moved(page, len(page.letters))

    def retry(self, choice: Choice, window: Window, limit: int) -> Moved:
        """Let the events in a page of dead letters wait again, after all others."""
        page = self.letters.page(choice, window, limit)
        able = [x for x in page.letters if x.event and x.backend in self.backends]
        self.letters.remove(able)
        events = [letter.event for letter in able if letter.event]
        return Moved(page, len(able), self.waiting.append(events))

    def drop_oldest(self, backend: str) -> int:
        """Delete some of *backend*'s oldest events, and return their number."""
        entries, _ = self.waiting.page(backend, 0, DROPPED, DROPPED_BYTES)
        self.waiting.remove(backend, entries)
        return len(entries)

    def oldest(self, backend: str) -> int | None:
        """Return the timestamp of *backend*'s first event, or None if none waits."""
        entries, _ = self.waiting.page(backend, 0, limit=1, size=1)
        return entries[0].event.timestamp if entries else None

    @property
    def full(self) -> bool:
        """Whether the last request that didn't fit still doesn't fit."""
        return not self._has_room(max(self._refused, 1))

    def _waiting(self) -> Held:
        """Return the total of events that wait for configured backends."""
        held = [self.totals.of(EVENT, backend) for backend in self.backends]
        return Held(sum(each.rows for each in held), sum(each.size for each in held))

    def _has_room(self, more: int) -> bool:
        # Repeats count too: recognizing a repeat means writing. A request above the
        # limit is accepted while nothing waits, or the broker would repeat it forever.
        if self.totals.size + more <= self.limit:
            return True
        return self.totals.size < self.limit and not self._waiting().rows

    def _check_room(self, more: int) -> None:
        if not self._has_room(more):
            self._refused = more
            raise SpoolFullError(
                more,
                self.limit,
                waiting=self._waiting().size,
                dead=self.totals.all(DEAD_LETTER).size,
                held=self.totals.size,
            )
        if more >= self._refused:
            self._refused = 0
