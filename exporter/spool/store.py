"""
What the spool keeps, row by row: events, dead letters, and how much of each.

Every method runs in the writer's thread, inside its transaction.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from exporter.events import Event
from exporter.spool.dead_letters import (
    Choice,
    DeadLetter,
    DeadLetters,
    Unreadable,
    Verdict,
    Window,
)
from exporter.spool.dead_letters import Page as DeadLetterPage
from exporter.spool.disk import Disk
from exporter.spool.errors import SpoolFullError
from exporter.spool.identities import Identities
from exporter.spool.known import Known
from exporter.spool.totals import DEAD_LETTER, EVENT, NOBODY, Held, Totals
from exporter.spool.waiting import Entry, WaitingEvents

MOVED = 100
MOVED_BYTES = 256 * 1024
"""Events of a backend of the past that one transaction drops, and their bytes."""


class Accepted(NamedTuple):
    """What became of one append."""

    entries: Sequence[Entry]
    """One for each event and backend, those of a backend next to each other."""
    kept_aside: int
    repeats: int
    epochs: Sequence[Event]
    """With which the positions of a partition started again."""
    unknown: int = 0
    """Ends of what nobody knows who might have got them."""
    filled: float = 0.0
    """How much of the spool is taken then, 1.0 being all."""


class Page(NamedTuple):
    """The next waiting events, and the sequence up to which there are no others."""

    entries: Sequence[Entry]
    complete_to: int


class Revived(NamedTuple):
    """A page of dead letters whose events wait again."""

    entries: Sequence[Entry]
    page: DeadLetterPage
    left: Sequence[DeadLetter]
    """Those whose don't: they have none, or nobody who is to get it."""


class Store:
    """The rows of one file, as its only writer sees them."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        disk: Disk,
        *,
        backends: Iterable[str],
        limit: int,
    ) -> None:
        """Keep at most *limit* bytes, which *backends* are to get or are dead."""
        self.disk = disk
        self._identities = Identities(connection)
        self._known = Known(connection)
        self._letters = DeadLetters(connection)
        self._waiting = WaitingEvents(connection)
        self.totals = Totals(connection)
        self.backends = tuple(dict.fromkeys(backends))
        """Those that are configured; the file may hold something for others."""
        self.limit = limit
        self._refused = 0
        """Bytes of the last request that found no room."""

    def reload(self) -> None:
        """Read again what is kept at hand, after a rollback."""
        self._identities.reload()
        self.totals.reload()

    def write_totals(self) -> None:
        """Write the totals down; once per transaction, before it is committed."""
        self.totals.write()

    def touch(self) -> None:
        """Let this transaction write, as an append would."""
        self.disk.check()
        self.totals.touch()

    def append(
        self, events: Sequence[Event], unreadable: Sequence[Unreadable]
    ) -> Accepted:
        """
        Keep what is new, for each of its backends.

        Raises `SpoolFullError` when there is no room for all of it, and
        `SpoolFailedError` when the disk shouldn't take it.
        """
        self.disk.check()
        count, events = len(events), self._known.resolve(events)
        self._check_room(
            sum(len(event.body) * len(event.backends) for event in events)
            + sum(len(record.body) for record in unreadable)
        )
        fresh, epochs = self._identities.fresh(events)
        self._known.learn(fresh)
        entries = self._insert(fresh)
        kept_aside = self._keep_aside(unreadable)
        return Accepted(
            entries,
            kept_aside=kept_aside,
            repeats=len(events) - len(fresh),
            epochs=epochs,
            unknown=count - len(events),
            filled=self._held / self.limit,
        )

    def settle(self, backend: str, entries: Sequence[Entry]) -> None:
        """Remove *entries*: they are delivered to *backend*."""
        self._waiting.remove(entries)
        self.totals.add(EVENT, backend, _bodies(entries), sign=-1)

    def bury(self, backend: str, entries: Sequence[Entry], verdict: Verdict) -> None:
        """Make dead letters of *backend*'s *entries*, for the reason in *verdict*."""
        self.settle(backend, entries)
        self._letters.bury([entry.event for entry in entries], verdict)
        self.totals.add(DEAD_LETTER, backend, _bodies(entries))

    def dead_letters(
        self, choice: Choice, window: Window, limit: int
    ) -> DeadLetterPage:
        """Return at most *limit* dead letters of *choice* in *window*."""
        return self._letters.page(choice, window, limit)

    def dead_letters_now(self) -> Window:
        """Return the window that holds those of today, and none that comes later."""
        return Window(before=self._letters.newest() + 1)

    def drop(self, choice: Choice, window: Window, limit: int) -> DeadLetterPage:
        """Forget a page of dead letters, and return it."""
        page = self._letters.page(choice, window, limit)
        self._letters.remove(page.letters)
        self._count_out(page.letters)
        return page

    def revive(self, choice: Choice, window: Window, limit: int) -> Revived:
        """Let the events in a page of dead letters wait again, behind all others."""
        page = self._letters.page(choice, window, limit)
        left = [each for each in page.letters if not self._may_wait(each)]
        able = [each for each in page.letters if self._may_wait(each)]
        self._letters.remove(able)
        self._count_out(able)
        entries = self._insert([each.event for each in able if each.event])
        return Revived(entries, page, left)

    def drop_oldest(self, backend: str) -> Sequence[Entry]:
        """Forget some of the oldest events that wait for *backend*; return them."""
        entries, _ = self._waiting.after(backend, 0, MOVED, MOVED_BYTES)
        self.settle(backend, entries)
        return entries

    def page(self, backend: str, after: int, limit: int, size: int) -> Page:
        """
        Return *backend*'s next waiting events behind sequence *after*, in order.

        At most *limit* of them, and not many more bytes than *size*.
        """
        entries, ended = self._waiting.after(backend, after, limit, size)
        newest = self._waiting.newest(backend)
        return Page(entries, newest if ended else entries[-1].sequence)

    def load(self, backend: str, sequences: Iterable[int], size: int) -> list[Entry]:
        """Return *backend*'s first events at *sequences*: some *size* bytes."""
        return self._waiting.at(backend, sequences, size)

    def newest(self, backend: str) -> int:
        """Return the sequence up to which there may be events for *backend*."""
        return self._waiting.newest(backend)

    def oldest(self, backend: str) -> int | None:
        """Return the engine time of *backend*'s first event in order, if one waits."""
        return self._waiting.oldest(backend)

    def waiting_for(self, backend: str) -> Held:
        """Return how much *backend* is still to get."""
        return self.totals.of(EVENT, backend)

    def dead_of(self, backend: str | None) -> Held:
        """Return how much of *backend*'s is dead; None: what never was an event."""
        return self.totals.of(DEAD_LETTER, NOBODY if backend is None else backend)

    def _may_wait(self, letter: DeadLetter) -> bool:
        return letter.event is not None and letter.backend in self.backends

    def _insert(self, events: Sequence[Event]) -> Sequence[Entry]:
        entries = self._waiting.append(events)
        for (backend,), own in groupby(entries, key=lambda each: each.event.backends):
            self.totals.add(EVENT, backend, _bodies(own))
        return entries

    @property
    def full(self) -> bool:
        """Whether the last request that found no room would find none now."""
        return not self._has_room(max(self._refused, 1))

    @property
    def _held(self) -> int:
        return self.totals.waiting.size + self.totals.dead.size

    @property
    def _left_behind(self) -> int:
        """Bytes that nobody delivers, so that they make no room by themselves."""
        delivered = sum(self.waiting_for(backend).size for backend in self.backends)
        return self.totals.waiting.size - delivered

    def _has_room(self, more: int) -> bool:
        # Repeats are weighed, too: to know them would mean to have written. A request
        # larger than the limit gets in when nothing else waits: refused, it would come
        # again for ever.
        if self._held + more <= self.limit:
            return True
        if any(self.waiting_for(backend).rows for backend in self.backends):
            return False
        return self._held < self.limit

    def _check_room(self, more: int) -> None:
        if not self._has_room(more):
            self._refused = more
            raise SpoolFullError(
                self.totals.waiting.size,
                self.totals.dead.size,
                more,
                self.limit,
                left_behind=self._left_behind,
            )
        if more >= self._refused:
            self._refused = 0

    def _keep_aside(self, unreadable: Sequence[Unreadable]) -> int:
        kept = [each for each in unreadable if self._letters.keep_aside(each)]
        self.totals.add(DEAD_LETTER, NOBODY, [each.body for each in kept])
        return len(kept)

    def _count_out(self, letters: Sequence[DeadLetter]) -> None:
        bodies = defaultdict(list)
        for letter in letters:
            bodies[letter.backend or NOBODY].append(letter.body)
        for backend, each in bodies.items():
            self.totals.add(DEAD_LETTER, backend, each, sign=-1)


def _bodies(entries: Iterable[Entry]) -> list[bytes]:
    return [entry.event.body for entry in entries]
