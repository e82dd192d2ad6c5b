"""The spool as the rest of the house sees it."""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from exporter.events import Event
from exporter.spool.database import open_database
from exporter.spool.dead_letters import (
    ALL,
    Choice,
    DeadLetter,
    Handled,
    Page,
    Unreadable,
    Window,
)
from exporter.spool.disk import Disk
from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolFullError,
    SpoolUnusableError,
)
from exporter.spool.lock import locked
from exporter.spool.outbox import Batch, Outbox
from exporter.spool.salvage import Salvaged, check, mend
from exporter.spool.store import Accepted, Held, Store
from exporter.spool.writer import Writer

FILE = "spool.sqlite"
Lost = Callable[[Batch], None]
PAGE = 500
"""Dead letters that are handled in one transaction."""


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
        self.salvaged = salvaged
        """What became of a file that was damaged; whoever opens it has to tell."""
        self.outbox = Outbox(writer, store)

    async def append(
        self, events: Sequence[Event], unreadable: Sequence[Unreadable] = ()
    ) -> Accepted:
        """
        Return when all that is new among *events* and *unreadable* is safe on disk.

        Raises `SpoolFullError` or `SpoolFailedError`; then nothing of it is kept.
        """
        if not events and not unreadable:
            return Accepted((), kept_aside=0, repeats=0, epochs=())
        while True:
            try:
                return await self._writer.do(
                    partial(self._store.append, events, unreadable),
                    lambda accepted: self.outbox.accepted(accepted.entries),
                )
            except SpoolFullError as error:
                if not self._lost or error.hopeless:
                    raise
                batch = await self.outbox.lose(error.lacking)
                if not batch.entries:
                    raise
                self._lost(batch)

    async def dead_letters(
        self, choice: Choice = ALL
    ) -> AsyncIterator[list[DeadLetter]]:
        """Yield the dead letters of *choice* page by page, oldest first."""
        window: Window | None = Window()
        while window:
            page = await self.dead_letter_page(choice, window)
            if page.letters:
                yield list(page.letters)
            window = page.rest

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

        What never became an event stays where it is. None waits again twice: not even
        one that is refused once more before this returns.
        """
        handled = Handled(choice)
        window: Window | None = await self._writer.do(self._store.dead_letters_now)
        while window:
            revived = await self._writer.do(
                partial(self._store.revive, choice, window, PAGE),
                lambda revived: self.outbox.accepted(revived.entries),
            )
            handled.add(revived.page, count=len(revived.entries))
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
            handled.add(page, count=len(page.letters))
            window = page.rest
        return handled

    async def prove(self) -> None:
        """Return once something was written; `SpoolFailedError` when it can't be."""
        await self._writer.do(self._store.touch)

    async def oldest(self) -> int | None:
        """Return the engine time of the event that waits first, in milliseconds."""
        return await self._writer.do(self._store.oldest)

    @property
    def waiting(self) -> Held:
        """Events that are not settled."""
        return self._store.waiting

    @property
    def dead(self) -> Held:
        """Dead letters."""
        return self._store.dead

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


@contextmanager
def open_spool(  # noqa: PLR0913 - each is one decision of whoever opens it
    directory: Path,
    *,
    backend: str,
    limit: int,
    lost: Lost | None = None,
    damaged: Callable[[], None] = lambda: None,
    salvage: bool = True,
) -> Iterator[Spool]:
    """
    Open the spool in *directory*, and close it behind the block; needs a running loop.

    Holds at most *limit* bytes; then it refuses more, or loses the oldest events and
    tells *lost*. A damaged file is salvaged first, or without *salvage* refused; when
    damage is only found later, *damaged* is called. Raises `SpoolInUseError`,
    `SpoolVersionError`, `SpoolUnsoundError` and `SpoolUnusableError`.
    """
    directory = directory.absolute()  # messages say where, from anywhere
    _make(directory)
    file = directory / FILE
    with locked(directory):
        if not salvage:
            check(file)
        salvaged = mend(file)
        with closing(open_database(file)) as connection:
            try:
                store = Store(connection, Disk(file), backend=backend, limit=limit)
            except sqlite3.Error as error:
                raise SpoolUnusableError(file, error) from error
            with closing(Writer(connection, store, damaged)) as writer:
                yield Spool(store, writer, lost=lost, salvaged=salvaged)


def _make(directory: Path) -> None:
    """Make *directory* and the way to it, so that a loss of power leaves it there."""
    try:
        lacking = [p for p in (directory, *directory.parents) if not p.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in lacking:
            parent = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
