"""
One thread that uses the database, and one commit for all waiting work.

While a commit waits for the disk, more work arrives. The next commit does all of it. So
all requests share the cost of an fsync, and none waits for a timer.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from exporter.base.errors import ExporterError
from exporter.spool.database import is_damage
from exporter.spool.errors import SpoolDamagedError, SpoolFailedError
from exporter.spool.store import Store

LARGEST_GROUP = 256
IDLE_SECONDS = 0.01
"""How long the writer waits before it does work that isn't urgent."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Work:
    """A call for the next transaction, its result or error, and where that goes."""

    call: Callable[[], Any]
    then: Callable[[Any], None]
    future: asyncio.Future[Any]
    urgent: bool
    result: Any = None
    error: ExporterError | None = None

    def run(self) -> None:
        """Do the call; an error that is expected leaves the transaction intact."""
        try:
            self.result = self.call()
        except ExporterError as error:
            self.error = error


class Writer:
    """A thread that does work, and reports it, in the order of the `do` calls."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: Store,
        on_damage: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Start the thread, which alone uses *connection* and *store* until `close`.

        Needs a running event loop. *on_damage* is called in the loop's thread.
        """
        self._connection = connection
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._on_damage = on_damage
        self.damage: SpoolDamagedError | None = None
        """Set when the file is damaged: nothing is written after that."""
        self._stale = False
        """Whether the store in memory has changes of a failed transaction."""
        self._thread = threading.Thread(target=self._run, name="spool-writer")
        self._thread.start()

    def do(
        self,
        call: Callable[[], T],
        then: Callable[[T], None] = lambda _: None,
        *,
        urgent: bool = True,
    ) -> asyncio.Future[T]:
        """
        Run *call* in the next transaction; the future is done after its commit.

        If it isn't *urgent*, it waits some milliseconds for other work, so that a
        broker's request hardly ever waits for a commit that nobody else needs.

        *then* gets the result in the loop's thread. It runs before the waiter of the
        future, and before anything about later work. The future raises the error of
        *call*, or `SpoolFailedError` if the transaction failed and was rolled back.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Work(call, then, future, urgent))
        return future

    def close(self) -> None:
        """Wait until all work is done, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._do_next():
            pass

    # A function of its own, so that no variable holds finished work while `_run` waits.
    def _do_next(self) -> bool:
        """Do the waiting work; return False after `close`."""
        group = [self._next()]
        with suppress(Empty):
            if group[0] and not group[0].urgent:
                group.append(self._queue.get(timeout=IDLE_SECONDS))
            while len(group) < LARGEST_GROUP:
                group.append(self._queue.get_nowait())
        works = [work for work in group if work]
        if failure := self.damage or self._commit(works):
            for work in works:
                work.error = failure
        self._loop.call_soon_threadsafe(self._report, works)
        return None not in group

    def _next(self) -> Work | None:
        """Wait for work, and meanwhile return space to the disk."""
        more = not self.damage
        while more:
            with suppress(Empty):
                return self._queue.get(timeout=IDLE_SECONDS)
            try:
                more = self._store.disk.give_back()
            except (sqlite3.Error, OSError):
                more = False  # the next transaction will report the error
        return self._queue.get()

    def _commit(self, works: list[Work]) -> SpoolFailedError | None:
        """Do *works* in one transaction; return the error if it was rolled back."""
        try:
            self._refresh()
            self._connection.execute("BEGIN")
            for work in works:
                work.run()
            self._store.totals.write()
            self._connection.execute("COMMIT")
        except Exception as error:
            if not isinstance(error, (sqlite3.Error, OSError)):
                log.exception("transaction failed")  # a bug
            self._stale = True
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
            if is_damage(error):
                self.damage = self._store.disk.mark_damaged(error)
                self._loop.call_soon_threadsafe(self._on_damage)
                return self.damage
            with suppress(sqlite3.Error):  # or the next transaction does it
                self._refresh()
            return SpoolFailedError(error)
        return None

    def _refresh(self) -> None:
        """Reload the store after a failed transaction."""
        if self._stale:
            self._store.reload()
            self._stale = False

    def _report(self, works: list[Work]) -> None:
        # Results come first. The loop then runs the answers to brokers before the
        # delivery that `then` wakes. The other order adds a tenth to the reply time.
        for work in works:
            if work.future.cancelled():
                continue
            if work.error is None:
                work.future.set_result(work.result)
            else:
                # The traceback refers to the work, and the work to the error. Without
                # the traceback, no cycle keeps the events in memory.
                work.future.set_exception(work.error.with_traceback(None))
        for work in works:
            if work.error is None:
                work.then(work.result)
