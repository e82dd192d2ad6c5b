"""
One thread that owns the connection, and one commit for everything that waits.

While a commit waits for the disk, what arrives gathers; the next commit takes all of
it. So the price of an fsync is shared by whoever waits for it, and nobody waits for a
timer.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from exporter.base.errors import ExporterError
from exporter.spool.database import is_damage
from exporter.spool.errors import SpoolDamagedError, SpoolFailedError
from exporter.spool.store import Store

LARGEST_GROUP = 256
IDLE_SECONDS = 0.01
"""How long nothing comes before room is given back to the disk."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Work(NamedTuple):
    """Something to do in the next transaction, and whom to tell."""

    call: Callable[[], Any]
    then: Callable[[Any], None]
    future: asyncio.Future[Any]


class Done(NamedTuple):
    """What became of one piece of work."""

    work: Work
    result: Any
    error: ExporterError | None


class Writer:
    """Does work in the order it is handed in, and reports in that order."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: Store,
        damaged: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Start the thread that alone uses both until `close`; needs a running loop.

        *damaged* is called in the loop's thread when the file turns out to be.
        """
        self._connection = connection
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._damaged = damaged
        self.damage: SpoolDamagedError | None = None
        """Why nothing is done any more: writing could make it worse."""
        self._stale = False
        """Whether a transaction failed, and left the store with what it changed."""
        self._thread = threading.Thread(target=self._run, name="spool-writer")
        self._thread.start()

    def do(
        self, call: Callable[[], T], then: Callable[[T], None] = lambda _: None
    ) -> asyncio.Future[T]:
        """
        Let *call* run in the next transaction; the future ends after its commit.

        *then* gets the result in the loop's thread, before whoever awaits the future
        goes on, and before anything about later work. The future raises what *call*
        raised on purpose, or `SpoolFailedError` when the transaction failed: then
        nothing of it happened.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Work(call, then, future))
        return future

    def close(self) -> None:
        """Return when all that was handed in is done, however long the disk takes."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Do what waits; it isn't held any longer while this thread waits for more."""
        group = [self._next()]
        with suppress(Empty):
            while len(group) < LARGEST_GROUP:
                group.append(self._queue.get_nowait())
        done = self._commit([work for work in group if work])
        self._loop.call_soon_threadsafe(self._tell, done)
        return None not in group

    def _next(self) -> Work | None:
        """Return what is to be done; while there is nothing, make the file smaller."""
        larger = not self.damage
        while larger:
            with suppress(Empty):
                return self._queue.get(timeout=IDLE_SECONDS)
            try:
                larger = self._store.disk.give_back()
            except (sqlite3.Error, OSError):
                larger = False  # whoever writes next is told
        return self._queue.get()

    def _commit(self, group: list[Work]) -> list[Done]:
        if self.damage:
            return [Done(work, None, self.damage) for work in group]
        try:
            self._refresh()
            self._connection.execute("BEGIN")
            done = [self._call(work) for work in group]
            self._store.write_totals()
            self._connection.execute("COMMIT")
        except Exception as error:
            if not isinstance(error, (sqlite3.Error, OSError)):
                log.exception("transaction failed")  # a mistake of ours
            self._stale = True
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            if is_damage(error):
                self.damage = failure = self._store.disk.condemn(error)
                self._loop.call_soon_threadsafe(self._damaged)
                return [Done(work, None, failure) for work in group]
            with suppress(sqlite3.Error):  # else the next transaction does
                self._refresh()
            failed = SpoolFailedError(error)
            return [Done(work, None, failed) for work in group]
        return done

    def _call(self, work: Work) -> Done:
        try:
            return Done(work, work.call(), None)
        except ExporterError as error:
            return Done(work, None, error)

    def _refresh(self) -> None:
        """Let the store read again what a transaction that failed has changed."""
        if self._stale:
            self._store.reload()
            self._stale = False

    def _tell(self, done: list[Done]) -> None:
        # The waiters only wake up behind all of this, but before those whom `then`
        # wakes: brokers have their answers before their events are sent on, which would
        # add a tenth to the wait, and more on a machine that does nothing else.
        for work, result, error in done:
            if work.future.cancelled():
                continue
            if error is None:
                work.future.set_result(result)
            else:
                # The frames in its traceback hold the work, and that holds the error:
                # only the garbage collector would free the events.
                work.future.set_exception(error.with_traceback(None))
        for work, result, error in done:
            if error is None:
                work.then(result)
