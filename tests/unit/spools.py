"""A spool for tests, and events for it."""

import sqlite3
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from exporter.events import Event
from exporter.events.event import ONLY_BACKEND
from exporter.spool import Choice, Limits, Window, open_spool

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
"""A place for directories that need no disk, for tests with thousands of commits."""
NOON = 1_795_435_200_000
ANY = Limits(events=50, bytes=1 << 20, identities=4096)


def an_event(position=1, **changes):
    """Return the event of a record at *position*; *changes* are the point."""
    fields = {
        "partition": 1,
        "position": position,
        "timestamp": NOON + position,
        "key": 5000 + position,
        "instance": 100,
        "body": b'{"position":%d}' % position,
    }
    return Event(**(fields | changes))


@asynccontextmanager
async def a_spool(directory, *backends, limit=1 << 20, on_discard=None):
    """Open the spool in *directory* for the length of a block."""
    backends = backends or (ONLY_BACKEND,)
    with open_spool(
        directory, backends=backends, limit=limit, on_discard=on_discard
    ) as spool:
        yield spool


def for_each(events):
    """Return *events* split by backend, in order."""
    return [e._replace(backends=(name,)) for e in events for name in e.backends]


def only(spool):
    """Return the outbox of the only backend."""
    (outbox,) = spool.outboxes.values()
    return outbox


async def taken(spool, limits=ANY, *, backend=ONLY_BACKEND):
    """Take and settle all events, and return the positions of each batch."""
    batches, outbox = [], spool.outboxes[backend]
    while not outbox.empty.is_set():
        batch = await outbox.take(limits)
        await outbox.settle(batch)
        batches.append([event.position for event in batch.events])
    return batches


async def letters(spool, choice=Choice()):  # noqa: B008 - immutable
    """Return the dead letters of *choice*, oldest first."""
    found, window = [], Window()
    while window:
        page = await spool.dead_letter_page(choice, window)
        found += page.letters
        window = page.rest
    return found


@asynccontextmanager
async def failing(spool):
    """Make every writing transaction of the block fail at its last statement."""
    watch = spool._writer._connection.set_authorizer
    # Callbacks are set in the writer's thread, here and below. In another thread, the
    # locks of SQLite and of the interpreter could wait for each other.
    await spool._writer.do(partial(watch, _deny_totals))
    yield
    await spool._writer.do(partial(watch, None))


@asynccontextmanager
async def traced(spool):
    """Yield the list of SQL statements run in the block."""
    statements = []
    watch = spool._writer._connection.set_trace_callback
    await spool._writer.do(partial(watch, statements.append))
    statements.clear()
    yield statements
    await spool._writer.do(partial(watch, None))


def _deny_totals(action, table, *_):
    if (action, table) == (sqlite3.SQLITE_INSERT, "held"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
