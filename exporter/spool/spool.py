"""The spool as the rest of the house sees it."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from exporter.events import Event
from exporter.spool.database import open_database
from exporter.spool.disk import Disk
from exporter.spool.errors import SpoolDamagedError, SpoolUnusableError
from exporter.spool.lock import locked
from exporter.spool.outbox import Outbox
from exporter.spool.salvage import Salvaged, mend
from exporter.spool.store import Accepted, Held, Store, Unreadable
from exporter.spool.writer import Writer

FILE = "spool.sqlite"


class Spool:
    """What is accepted and not yet settled; for the loop's thread alone."""

    def __init__(
        self, store: Store, writer: Writer, salvaged: Salvaged | None = None
    ) -> None:
        """Serve *store* through *writer*; the caller closes both."""
        self._store = store
        self._writer = writer
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
        return await self._writer.do(
            partial(self._store.append, events, unreadable),
            lambda accepted: self.outbox.accepted(accepted.entries),
        )

    async def prove(self) -> None:
        """Return once something was written; `SpoolFailedError` when it can't be."""
        await self._writer.do(self._store.touch)

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
def open_spool(
    directory: Path,
    *,
    backend: str,
    limit: int,
    damaged: Callable[[], None] = lambda: None,
) -> Iterator[Spool]:
    """
    Open the spool in *directory*, and close it behind the block; needs a running loop.

    Holds at most *limit* bytes. A damaged file is salvaged first; when damage is only
    found later, *damaged* is called. Raises `SpoolInUseError`, `SpoolVersionError` and
    `SpoolUnusableError`.
    """
    directory = directory.absolute()  # messages say where, from anywhere
    _make(directory)
    file = directory / FILE
    with locked(directory):
        salvaged = mend(file)
        with closing(open_database(file)) as connection:
            try:
                store = Store(connection, Disk(file), backend=backend, limit=limit)
            except sqlite3.Error as error:
                raise SpoolUnusableError(file, error) from error
            with closing(Writer(connection, store, damaged)) as writer:
                yield Spool(store, writer, salvaged)


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
