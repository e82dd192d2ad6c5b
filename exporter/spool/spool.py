"""The spool as the rest of the house sees it."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path

from exporter.events import Event
from exporter.spool.database import open_database
from exporter.spool.dead_letters import (
    ALL,
    Choice,
    Handled,
    Page,
    Unreadable,
    Window,
)
from exporter.spool.disk import Disk, make
from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolDiskFullError,
    SpoolFullError,
    SpoolUnusableError,
)
from exporter.spool.lock import locked
from exporter.spool.outbox import Batch, Outbox
from exporter.spool.salvage import Salvaged, check, mend
from exporter.spool.store import Accepted, Store
from exporter.spool.totals import Held
from exporter.spool.waiting import Entry
from exporter.spool.writer import Writer

FILE = "spool.sqlite"
NO_ROOM = (SpoolFullError, SpoolDiskFullError)
Lost = Callable[[Batch], None]
PAGE = 500
"""Dead letters that are handled in one transaction."""
LOSSES = 32
"""How many pages of waiting events one request may make room with."""


class Spool:
    """What is accepted and not yet settled; for the loop's thread alone."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        lost: Lost | None = None,
        salvaged: Salvaged | None = None,
    ) -> None:
        """
        Serve *store* through *writer*; the caller closes both.

        When it is full the oldest events make room, and *lost* is told; without it
        they don't.
        """
        self._store = store
        self._writer = writer
        self._lost = lost
        self._making_room = asyncio.Lock()
        self.salvaged = salvaged
        """What became of a file that was damaged; whoever opens it has to tell."""
        self.outboxes: Mapping[str, Outbox] = {
            backend: Outbox(writer, store, backend) for backend in store.backends
        }
        """What each backend still has to get."""

    async def append(
        self, events: Sequence[Event], unreadable: Sequence[Unreadable] = ()
    ) -> Accepted:
        """
        Return when all that is new among *events* and *unreadable* is safe on disk.

        An event waits for each of its backends; a repeat is one for all of them.
        Raises `SpoolFullError` or `SpoolFailedError`; then nothing of it is kept.
        """
        if not events and not unreadable:
            return Accepted((), kept_aside=0, repeats=0, epochs=())
        append = partial(self._store.append, events, unreadable)
        try:
            return await self._writer.do(append, self._appended)
        except NO_ROOM:
            if not self._lost:
                raise
        async with self._making_room:  # else two find that each other's events can't go
            for _ in range(LOSSES):  # then the broker has its answer, and comes again
                try:
                    return await self._writer.do(append, self._appended)
                except NO_ROOM as error:
                    batch = None if error.hopeless else await self._lose(error.lacking)
                    if batch is None:
                        raise
                    self._lost(batch)
            return await self._writer.do(append, self._appended)

    async def dead_letter_page(
        self, choice: Choice, window: Window, limit: int = PAGE
    ) -> Page:
        """Return at most *limit* dead letters of *choice* in *window*; maybe none."""
        return await self._writer.do(
            partial(self._store.dead_letters, choice, window, limit)
        )

    async def revive(self, choice: Choice = ALL) -> Handled:
        """
        Let the dead letters of *choice* wait again, behind all others.

        Each waits for its own backend. What never became an event stays where it is,
        and so does what belongs to a backend that isn't configured. None waits again
        twice: not even one that is refused once more before this returns.
        """
        handled = Handled(choice)
        window: Window | None = await self._writer.do(self._store.dead_letters_now)
        while window:
            revived = await self._writer.do(
                partial(self._store.revive, choice, window, PAGE),
                lambda revived: self._accepted(revived.entries),
            )
            handled.add(revived.page, revived.left)
            window = revived.page.rest
        return handled

    async def drop(self, choice: Choice = ALL) -> Handled:
        """Forget the dead letters of *choice* for good."""
        handled = Handled(choice)
        window: Window | None = await self._writer.do(self._store.dead_letters_now)
        while window:
            page = await self._writer.do(
                partial(self._store.drop, choice, window, PAGE)
            )
            handled.add(page)
            window = page.rest
        return handled

    async def drop_backend(self, old: str) -> int:
        """Forget for good all that is left of *old*; return how many events it was."""
        if old in self.outboxes:
            raise ValueError(f"{old!r} is configured: what it holds is delivered")
        count = 0
        drop_oldest = partial(self._store.drop_oldest, old)
        while entries := await self._writer.do(drop_oldest):
            count += len(entries)
        return count + (await self.drop(Choice(backend=old))).count

    async def prove(self) -> None:
        """Return once something was written; `SpoolFailedError` when it can't be."""
        try:
            await self._writer.do(self._store.touch)
        except SpoolDiskFullError as error:
            if error.hopeless or not (self._lost and self.waiting.rows):
                raise

    async def oldest(self, backend: str) -> int | None:
        """Return the engine time of what waits first for *backend*, in milliseconds."""
        return await self._writer.do(partial(self._store.oldest, backend))

    @property
    def waiting(self) -> Held:
        """Events that are not settled: one for each backend that is to get it."""
        return self._store.totals.waiting

    @property
    def dead(self) -> Held:
        """Dead letters."""
        return self._store.totals.dead

    def waiting_for(self, backend: str) -> Held:
        """Return how much waits for *backend*, whether it's configured or not."""
        return self._store.waiting_for(backend)

    def dead_of(self, backend: str | None) -> Held:
        """Return how many dead letters are *backend*'s; None: never became an event."""
        return self._store.dead_of(backend)

    @property
    def left_behind(self) -> Mapping[str, Held]:
        """What waits for backends that are not configured, 0 where only letters are."""
        return {
            backend: self.waiting_for(backend)
            for backend in self._store.totals.backends
            if backend not in self.outboxes
        }

    @property
    def full(self) -> bool:
        """Whether there is no room, at least not for what was refused last."""
        return self._store.full

    @property
    def damage(self) -> SpoolDamagedError | None:
        """Why nothing is taken or settled any more, if it's so; a restart helps."""
        return self._writer.damage

    @property
    def limit(self) -> int:
        """How many bytes of both may be held."""
        return self._store.limit

    def _appended(self, accepted: Accepted) -> None:
        self._accepted(accepted.entries)

    def _accepted(self, entries: Sequence[Entry]) -> None:
        """Tell each outbox what was just committed for it."""
        for (backend,), own in groupby(entries, key=lambda entry: entry.event.backends):
            if outbox := self.outboxes.get(backend):
                outbox.accepted(list(own))

    async def _lose(self, size: int) -> Batch | None:
        """Forget some *size* bytes of the backend that holds most, if any may go."""
        for backend in sorted(
            self.outboxes, key=lambda each: self.waiting_for(each).size, reverse=True
        ):
            batch = await self.outboxes[backend].lose(size)
            if batch.entries:
                return batch
        return None


@contextmanager
def open_spool(  # noqa: PLR0913 - each is one decision of whoever opens it
    directory: Path,
    *,
    backends: Sequence[str],
    limit: int,
    lost: Lost | None = None,
    damaged: Callable[[], None] = lambda: None,
    salvage: bool = True,
) -> Iterator[Spool]:
    """
    Open the spool in *directory*, and close it behind the block; needs a running loop.

    Holds at most *limit* bytes, whoever they are for; then it refuses more, or loses
    the oldest events of the backend that holds most, and tells *lost*. What the file
    holds for others than *backends* stays in it. A damaged file is salvaged first, or
    without *salvage* refused; when damage is only found later, *damaged* is called.
    Raises `SpoolInUseError`, `SpoolVersionError`, `SpoolUnsoundError` and
    `SpoolUnusableError`.
    """
    directory = directory.absolute()  # messages say where, from anywhere
    make(directory)
    file = directory / FILE
    with locked(directory):
        if not salvage:
            check(file)
        salvaged = mend(file)
        with closing(open_database(file)) as connection:
            try:
                disk = Disk(file, connection)
                store = Store(connection, disk, backends=backends, limit=limit)
            except sqlite3.Error as error:
                raise SpoolUnusableError(file, error) from error
            with closing(Writer(connection, store, damaged)) as writer:
                yield Spool(store, writer, lost=lost, salvaged=salvaged)
