"""
What the spool keeps, row by row: events, dead letters, and how much of each.

Every method runs in the writer's thread, inside its transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence
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
from exporter.spool.errors import SpoolDamagedError, SpoolFullError
from exporter.spool.identities import Identities
from exporter.spool.statements import insert, numbers

FIELDS = ("partition", "position", "timestamp", "key", "instance", "body")
EVENT_COLUMNS = ("sequence", "backend", *FIELDS)
SELECT = f"SELECT sequence, {', '.join(FIELDS)} FROM event "  # noqa: S608 - constants
SELECT_AFTER = SELECT + "WHERE sequence > ? AND backend = ? ORDER BY sequence LIMIT ?"
SELECT_OLDEST = "SELECT timestamp FROM event ORDER BY sequence LIMIT 1"
AMONG = "sequence IN (SELECT value FROM json_each(?))"
SELECT_AMONG = f"{SELECT} WHERE {AMONG} ORDER BY sequence"
DELETE_AMONG = f"DELETE FROM event WHERE {AMONG}"  # noqa: S608 - constants


class Entry(NamedTuple):
    """An event and its place in the spool."""

    sequence: int
    event: Event


class Accepted(NamedTuple):
    """What became of one append."""

    entries: Sequence[Entry]
    kept_aside: int
    repeats: int
    epochs: Sequence[Event]
    """With which the positions of a partition started again."""
    assumed: Sequence[Event] = ()
    """Repeats by their age alone: older than anything that is remembered."""
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


class Held(NamedTuple):
    """How much the spool holds of one kind."""

    rows: int
    size: int
    """Bytes of the bodies."""

    def plus(self, bodies: Sequence[bytes], sign: int = 1) -> "Held":
        """Return the sum with *bodies*, or with `sign=-1` the difference."""
        size = sum(map(len, bodies))
        return Held(self.rows + sign * len(bodies), self.size + sign * size)


class Store:
    """The rows of one file, as its only writer sees them."""

    def __init__(
        self, connection: sqlite3.Connection, disk: Disk, *, backend: str, limit: int
    ) -> None:
        """Keep at most *limit* bytes of events for *backend* and of dead letters."""
        self._connection = connection
        self._disk = disk
        self._identities = Identities(connection)
        self._letters = DeadLetters(connection, backend)
        self._backend = backend
        self.limit = limit
        self._refused = 0
        """Bytes of the last request that found no room."""
        self.newest = 0
        """The highest sequence since opening; a lower one must not come again."""
        self.reload()

    def reload(self) -> None:
        """Read what is kept at hand: at opening, and again after a rollback."""
        self._identities.reload()
        held = self._connection.execute("SELECT what, rows, bytes FROM held")
        totals = {what: Held(rows, size) for what, rows, size in held}
        self.waiting = totals["event"]
        self.dead = totals["dead_letter"]
        self._written: tuple[Held, Held] | None = (self.waiting, self.dead)
        (newest,) = self._connection.execute(
            "SELECT max(sequence) FROM event"
        ).fetchone()
        self.newest = max(self.newest, newest or 0)

    def write_totals(self) -> None:
        """Write the totals down; once per transaction, before it is committed."""
        if (self.waiting, self.dead) == self._written:
            return  # a transaction that only reads must not cost an fsync
        self._written = (self.waiting, self.dead)
        self._connection.execute(
            "INSERT OR REPLACE INTO held VALUES ('event', ?, ?), ('dead_letter', ?, ?)",
            (*self.waiting, *self.dead),
        )

    def touch(self) -> None:
        """Let this transaction write, as an append would."""
        self._disk.check()
        self._written = None

    def condemn(self, reason: object) -> SpoolDamagedError:
        """Let the next start salvage the file; return why nothing more goes into it."""
        return self._disk.condemn(reason)

    def append(
        self, events: Sequence[Event], unreadable: Sequence[Unreadable]
    ) -> Accepted:
        """
        Keep what is new.

        Raises `SpoolFullError` when there is no room for all of it, and
        `SpoolFailedError` when the disk shouldn't take it.
        """
        self._disk.check()
        bodies = [event.body for event in events]
        bodies += [record.body for record in unreadable]
        self._check_room(bodies)
        fresh, epochs, assumed = self._identities.fresh(events)
        entries = self._insert(fresh)
        kept_aside = self._keep_aside(unreadable)
        return Accepted(
            entries,
            kept_aside=kept_aside,
            repeats=len(events) - len(fresh),
            epochs=epochs,
            assumed=assumed,
            filled=(self.waiting.size + self.dead.size) / self.limit,
        )

    def settle(self, entries: Sequence[Entry]) -> None:
        """Remove *entries*: they are delivered."""
        self._connection.execute(
            DELETE_AMONG, (numbers(entry.sequence for entry in entries),)
        )
        self.waiting = self.waiting.plus([e.event.body for e in entries], sign=-1)

    def bury(self, entries: Sequence[Entry], verdict: Verdict) -> None:
        """Make dead letters of *entries*, for the reason in *verdict*."""
        self.settle(entries)
        self._letters.bury([entry.event for entry in entries], verdict)
        self.dead = self.dead.plus([entry.event.body for entry in entries])

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
        self._remove(page.letters)
        return page

    def revive(self, choice: Choice, window: Window, limit: int) -> Revived:
        """Let the events in a page of dead letters wait again, behind all others."""
        page = self._letters.page(choice, window, limit)
        self._remove([letter for letter in page.letters if letter.event])
        return Revived(self._insert(page.events), page)

    def page(self, after: int, limit: int, size: int) -> Page:
        """
        Return the next waiting events behind sequence *after*, in order.

        At most *limit* of them, and not many more bytes than *size*.
        """
        rows = self._connection.execute(SELECT_AFTER, (after, self._backend, limit))
        entries, all_of_them = _up_to(size, rows)
        ended = all_of_them and len(entries) < limit
        return Page(entries, self.newest if ended else entries[-1].sequence)

    def oldest(self) -> int | None:
        """Return the engine time of the first event in order, if one waits."""
        first = self._connection.execute(SELECT_OLDEST).fetchone()
        return first[0] if first else None

    def load(self, sequences: Iterable[int], size: int) -> list[Entry]:
        """Return the first events at *sequences*, in order: some *size* bytes."""
        rows = self._connection.execute(SELECT_AMONG, (numbers(sequences),))
        return _up_to(size, rows)[0]

    def _remove(self, letters: Sequence[DeadLetter]) -> None:
        self._letters.remove(letters)
        self.dead = self.dead.plus([letter.body for letter in letters], sign=-1)

    def _insert(self, events: Sequence[Event]) -> Sequence[Entry]:
        entries = list(map(Entry, range(self.newest + 1, 2**63), events))
        insert(
            self._connection,
            "event",
            EVENT_COLUMNS,
            [(sequence, self._backend, *event) for sequence, event in entries],
        )
        self.newest += len(entries)
        self.waiting = self.waiting.plus([event.body for event in events])
        return entries

    @property
    def full(self) -> bool:
        """Whether the last request that found no room would find none now."""
        return not self._has_room(max(self._refused, 1))

    def _has_room(self, more: int) -> bool:
        # Repeats are weighed, too: to know them would mean to have written. A request
        # larger than the limit gets in when nothing else waits: refused, it would come
        # again for ever.
        if not self.waiting.rows and self.dead.size < self.limit:
            return True
        return self.waiting.size + self.dead.size + more <= self.limit

    def _check_room(self, bodies: Sequence[bytes]) -> None:
        more = sum(map(len, bodies))
        if not self._has_room(more):
            self._refused = more
            raise SpoolFullError(self.waiting.size, self.dead.size, more, self.limit)
        if more >= self._refused:
            self._refused = 0

    def _keep_aside(self, unreadable: Sequence[Unreadable]) -> int:
        kept = [each for each in unreadable if self._letters.keep_aside(each)]
        self.dead = self.dead.plus([each.body for each in kept])
        return len(kept)


def _up_to(size: int, rows: sqlite3.Cursor) -> tuple[list[Entry], bool]:
    """Return at least one of *rows*, until *size* is reached, and whether it's all."""
    entries: list[Entry] = []
    for sequence, *event in rows:
        if size <= 0:
            rows.close()
            return entries, False
        entries.append(Entry(sequence, Event(*event)))
        size -= len(entries[-1].event.body)
    return entries, True
