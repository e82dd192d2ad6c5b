"""Open the spool, append to it, and look after its dead letters."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from exporter.events import Event
from exporter.spool.batch import Batch
from exporter.spool.database import open_database
from exporter.spool.dead_letters import ALL, Choice, Handled, Page, Unreadable, Window
from exporter.spool.disk import Disk, make_directory
from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolDiskFullError,
    SpoolFullError,
    SpoolUnusableError,
)
from exporter.spool.lock import locked
from exporter.spool.outbox import Outbox
from exporter.spool.salvage import Salvaged, repair
from exporter.spool.store import Accepted, Moved, Store
from exporter.spool.totals import DEAD_LETTER, EVENT, NO_BACKEND, Held
from exporter.spool.writer import Writer

FILE = "spool.sqlite"
NO_ROOM = (SpoolFullError, SpoolDiskFullError)
PAGE = 500
"""Dead letters that one transaction handles."""
DISCARDS = 32
"""Pages of events that a request may discard to make room, before it's refused."""

OnDiscard = Callable[[Batch], None]
Changed = TypeVar("Changed", Accepted, Moved)


class Spool:
    """Accepted events and dead letters; for the event loop's thread alone."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        on_discard: OnDiscard | None = None,
        salvaged: Salvaged | None = None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._on_discard = on_discard
        self._making_room = asyncio.Lock()
        self.salvaged = salvaged
        """The result of salvaging a damaged file; the caller should report it."""
        self.outboxes: Mapping[str, Outbox] = {
            backend: Outbox(writer, store, backend) for backend in store.backends
        }
        """The outbox of each configured backend."""

    async def append(
        self, events: Sequence[Event], unreadable: Sequence[Unreadable] = ()
    ) -> Accepted:
        """
        Keep the new ones of *events* and *unreadable*; return after the commit.

        Raises `SpoolFullError` or `SpoolFailedError`; then nothing is kept.
        """
        if not events and not unreadable:
            return Accepted((), dead_letters=0, repeats=0, epochs=())
        append = partial(self._store.append, events, unreadable)
        try:
            return await self._do(append)
        except NO_ROOM:
            if not self._on_discard:
                raise
        # One at a time: another request may just have made enough room for this one.
        async with self._making_room:
            for _ in range(DISCARDS):
                try:
                    return await self._do(append)
                except NO_ROOM as error:
                    if error.hopeless:
                        raise
                    batch = await self._discard(error.missing)
                    if not batch.entries:
                        raise
                    self._on_discard(batch)
            return await self._do(append)

    async def dead_letter_page(
        self, choice: Choice, window: Window, limit: int = PAGE
    ) -> Page:
        """Return at most *limit* dead letters of *choice* in *window*, or none."""
        page = partial(self._store.letters.page, choice, window, limit)
        return await self._writer.do(page)

    async def retry(self, choice: Choice = ALL) -> Handled:
        """
        Let the dead letters of *choice* wait again, after all other events.

        Unreadable records stay dead letters, and so do events of a backend that isn't
        configured. No event is retried twice, even if it's rejected again meanwhile.
        """
        return await self._move(choice, self._store.retry)

    async def drop(self, choice: Choice = ALL) -> Handled:
        """Delete the dead letters of *choice*."""
        return await self._move(choice, self._store.drop)

    async def discard_backend(self, old: str) -> int:
        """Delete everything that is kept for *old*; return the number of events."""
        if old in self.outboxes:
            raise ValueError(f"{old!r} is configured: its events are delivered")
        count = (await self.drop(Choice(backend=old))).count
        while dropped := await self._writer.do(partial(self._store.drop_oldest, old)):
            count += dropped
        return count

    async def check_writable(self) -> None:
        """Write to the file; raises `SpoolFailedError`."""
        try:
            await self._writer.do(self._store.touch)
        except SpoolDiskFullError as error:
            if error.hopeless or not (self._on_discard and self.waiting.rows):
                raise

    async def oldest(self, backend: str) -> int | None:
        """Return the timestamp of *backend*'s first event, or None if none waits."""
        return await self._writer.do(partial(self._store.oldest, backend))

    @property
    def waiting(self) -> Held:
        """The total of waiting events, counted once for each backend."""
        return self._store.totals.all(EVENT)

    @property
    def dead(self) -> Held:
        """The total of dead letters."""
        return self._store.totals.all(DEAD_LETTER)

    def waiting_for(self, backend: str) -> Held:
        """Return the total of *backend*'s waiting events, configured or not."""
        return self._store.totals.of(EVENT, backend)

    def dead_of(self, backend: str | None) -> Held:
        """Return the total of *backend*'s dead letters; None: of unreadable records."""
        return self._store.totals.of(DEAD_LETTER, backend or NO_BACKEND)

    @property
    def left_behind(self) -> Mapping[str, Held]:
        """Waiting events by backend that isn't configured; 0 if it has dead letters."""
        held = self._store.totals.backends
        return {
            name: self.waiting_for(name) for name in sorted(held - self.outboxes.keys())
        }

    @property
    def full(self) -> bool:
        """Whether the last request that didn't fit still doesn't fit."""
        return self._store.full

    @property
    def damage(self) -> SpoolDamagedError | None:
        """Why the spool can't be used until a restart; None while it can."""
        return self._writer.damage

    @property
    def limit(self) -> int:
        """The most bytes of events and dead letters."""
        return self._store.limit

    def _do(self, call: Callable[[], Changed]) -> asyncio.Future[Changed]:
        """Run *call* in a transaction, and give its new entries to the outboxes."""
        return self._writer.do(call, self._changed)

    def _changed(self, changed: Accepted | Moved) -> None:
        entries = changed.entries
        for (backend,), own in groupby(entries, lambda entry: entry.event.backends):
            if outbox := self.outboxes.get(backend):
                outbox.accepted(list(own))

    async def _move(
        self, choice: Choice, move: Callable[[Choice, Window, int], Moved]
    ) -> Handled:
        handled = Handled(choice)
        window: Window | None = await self._writer.do(self._store.letters.present)
        while window:
            moved = await self._do(partial(move, choice, window, PAGE))
            handled.add(moved.page.letters, moved.number)
            window = moved.page.rest
        return handled

    async def _discard(self, size: int) -> Batch:
        """Discard about *size* bytes of the backend with the largest backlog."""
        backlogs = sorted(self.outboxes, key=lambda each: -self.waiting_for(each).size)
        for backend in backlogs:
            batch = await self.outboxes[backend].discard(size)
            if batch.entries:
                return batch
        return Batch(())


@contextmanager
def open_spool(  # noqa: PLR0913
    directory: Path,
    *,
    backends: Sequence[str],
    limit: int,
    on_discard: OnDiscard | None = None,
    on_damage: Callable[[], None] = lambda: None,
    salvage: bool = True,
) -> Iterator[Spool]:
    """
    Open the spool in *directory* for the block; needs a running event loop.

    It keeps at most *limit* bytes. A full spool refuses new events, or, with
    *on_discard*, discards the oldest events and calls it for each batch. Events of
    other backends than *backends* stay in the file.

    A damaged file is salvaged first, or refused without *salvage*. If damage is found
    later, *on_damage* is called. Raises `SpoolInUseError`, `SpoolVersionError`,
    `SpoolUnsoundError` and `SpoolUnusableError`.
    """
    file = directory.absolute() / FILE
    with ExitStack() as stack:
        try:
            make_directory(file.parent)
            stack.enter_context(locked(file.parent))
            salvaged = repair(file, salvage=salvage)
            connection = stack.enter_context(open_database(file))
            disk = Disk(file, connection)
            store = Store(connection, disk, backends=backends, limit=limit)
        except (OSError, sqlite3.Error) as error:
            raise SpoolUnusableError(file.parent, error) from error
        writer = stack.enter_context(closing(Writer(connection, store, on_damage)))
        yield Spool(store, writer, on_discard=on_discard, salvaged=salvaged)
