"""One spool for several backends, each at its own pace."""

import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from itertools import chain

import pytest

from exporter.spool import (
    Rejection,
    SpoolFailedError,
    SpoolFullError,
    store,
)
from tests.unit.spools import ANY, a_spool, an_event, failing, taken

BOTH = ("audit", "teams")
REFUSED = Rejection("refused: 400 Bad Request", 400)


def shared(position, *backends, **changes):
    """Return an event for *backends*, which defaults to both."""
    return an_event(position, backends=backends or BOTH, **changes)


async def positions(spool, backend):
    """Take and settle all events of *backend*, and return their positions."""
    return list(chain(*await taken(spool, backend=backend)))


async def rejected(spool, backend, *events):
    """Append *events*, and turn those of *backend* into dead letters."""
    await spool.append(events)
    box = spool.outboxes[backend]
    await box.reject(await box.take(ANY), REFUSED)


@asynccontextmanager
async def a_past(directory, *positions, dead=()):
    """Open a spool for teams with events of audit, which isn't configured."""
    async with a_spool(directory, *BOTH) as spool:
        if dead:
            await rejected(spool, "audit", *(shared(n, "audit") for n in dead))
        await spool.append([shared(n, "audit") for n in positions])
    async with a_spool(directory, "teams") as spool:
        yield spool


async def test_each_at_its_own_pace(tmp_path):
    """Each backend gets its own events, also after a restart with other backends."""
    about = {"kind": "user-task.created", "broker": "8.8.21"}
    async with a_spool(tmp_path, *BOTH) as spool:
        await spool.append([shared(1, **about), shared(2, "teams"), shared(3, "audit")])
        batch = await spool.outboxes["teams"].take(replace(ANY, events=1))
        assert batch.events == [shared(1, "teams", **about)]
        assert await positions(spool, "audit") == [1, 3]
    async with a_spool(tmp_path, "teams", "idle") as spool:
        assert await positions(spool, "teams") == [1, 2]
        assert spool.outboxes["idle"].exhausted


async def test_an_event_for_nobody_is_remembered(tmp_path):
    """An event without backends takes no room, and its repeat is recognized."""
    async with a_spool(tmp_path, *BOTH) as spool:
        await spool.append([an_event(1, backends=())])
        assert spool.waiting == (0, 0)
        assert (await spool.append([shared(1)])).repeats == 1


async def steps(spool, *calls):
    """Return the number of SQLite's steps for *calls* in the writer's thread."""
    count = 0

    def step():
        nonlocal count
        count += 1

    watch = spool._writer._connection.set_progress_handler
    await spool._writer.do(partial(watch, step, 1))
    for call in calls:
        await spool._writer.do(call)
    await spool._writer.do(partial(watch, None, 1))
    return count


async def test_the_backlog_of_another_costs_nothing(tmp_path):
    """The backlog of a dead backend costs the other backend no work."""
    work = {}
    for backlog in (0, 20_000):
        async with a_spool(tmp_path / f"{backlog}", *BOTH, limit=1 << 30) as spool:
            for start in range(1, backlog, 1000):
                await spool.append(
                    [shared(n, "audit") for n in range(start, start + 1000)]
                )
            await spool.append([shared(n, "teams") for n in range(30_001, 30_011)])
            keep = spool._store
            work[backlog] = await steps(
                spool,
                partial(keep.waiting.page, "teams", 0, 512, 1 << 20),
                partial(keep.oldest, "teams"),
                partial(keep.append, [shared(40_000, "teams")], []),
            )

    assert work[20_000] < work[0] * 1.1


async def test_oldest_events(tmp_path):
    """Each backend has its own oldest event."""
    async with a_spool(tmp_path, *BOTH, "idle") as spool:
        await spool.append([shared(1, "audit", timestamp=7), shared(2, timestamp=9)])
        found = {name: await spool.oldest(name) for name in spool.outboxes}
        assert found == {"audit": 7, "teams": 9, "idle": None}


async def test_a_drop_that_fails(tmp_path, monkeypatch):
    """After a failed drop, the rest of the events can be dropped later."""
    monkeypatch.setattr(store, "DROPPED", 4)
    async with a_past(tmp_path, *range(1, 11), dead=[20]) as spool:
        async with failing(spool):
            with pytest.raises(SpoolFailedError):
                await spool.discard_backend("audit")
        assert spool.left_behind["audit"].rows == 10
        assert await spool.discard_backend("unknown") == 0

        assert await spool.discard_backend("audit") == 11
        assert spool.left_behind == {}


async def test_configured_backends_are_not_dropped(tmp_path):
    """The events of a configured backend can't be dropped."""
    async with a_past(tmp_path, 1) as spool:
        await spool.append([shared(2)])
        with pytest.raises(ValueError, match="configured"):
            await spool.discard_backend("teams")
        assert spool.left_behind["audit"].rows == 2
        assert await positions(spool, "teams") == [2]


def ten_bytes(number, *backends):
    """Return an event of ten bytes, and of its own instance."""
    return shared(number, *backends, body=b"x" * 10, instance=number)


async def test_room_for_each_backend(tmp_path):
    """The limit counts the bytes of each event once for each backend."""
    async with a_spool(tmp_path, *BOTH, limit=100) as spool:
        await spool.append([ten_bytes(n) for n in (1, 2, 3, 4)])
        await spool.append([ten_bytes(5, "teams")])

        with pytest.raises(SpoolFullError, match=r"90 of at most 100 bytes.*20 more"):
            await spool.append([ten_bytes(6)])

        await spool.append([ten_bytes(6, "teams")])


async def test_the_largest_backlog_makes_room(tmp_path):
    """A full spool discards the oldest events of the largest backlog only."""
    lost = []
    async with a_spool(tmp_path, *BOTH, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n, "audit") for n in (1, 2, 3)])
        await spool.append([ten_bytes(n, "teams") for n in range(4, 11)])
        await spool.append([ten_bytes(11, "audit"), ten_bytes(12, "audit")])

        assert [(e.position, *e.backends) for b in lost for e in b.events] == [
            (4, "teams"),
            (5, "teams"),
        ]
        assert await positions(spool, "audit") == [1, 2, 3, 11, 12]
        assert await positions(spool, "teams") == [6, 7, 8, 9, 10]


async def test_the_next_largest_makes_room(tmp_path):
    """If all of the largest backlog is in flight, the next backlog loses events."""
    lost = []
    async with a_spool(tmp_path, *BOTH, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n, "teams") for n in range(1, 8)])
        await spool.append([ten_bytes(n, "audit") for n in (8, 9, 10)])
        await spool.outboxes["teams"].take(ANY)

        await spool.append([ten_bytes(11, "audit")])

        assert [e.position for batch in lost for e in batch.events] == [8]


async def test_left_behind_events_make_no_room(tmp_path):
    """Events of a past backend are not discarded to make room."""
    lost = []
    async with a_spool(tmp_path, *BOTH, limit=100) as spool:
        await spool.append([ten_bytes(n, "audit") for n in range(1, 8)])
    async with a_spool(tmp_path, "teams", limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n, "teams") for n in (8, 9, 10)])
        await spool.append([ten_bytes(11, "teams")])
        assert [e.position for batch in lost for e in batch.events] == [8]

        with pytest.raises(SpoolFullError, match="70 for backends that aren") as error:
            await spool.append([shared(12, "teams", body=b"x" * 31)])
        assert "drop-backend --help" in str(error.value)
        assert len(lost) == 1
        assert spool.left_behind["audit"].rows == 7


async def test_a_large_request_and_events_left_behind(tmp_path):
    """A request above the limit fits when all configured backends are empty."""
    async with a_spool(tmp_path, *BOTH, limit=100) as spool:
        await spool.append([ten_bytes(1, "audit")])
    async with a_spool(tmp_path, "teams", limit=100) as spool:
        await spool.append([shared(2, "teams", body=b"x" * 500)])
        assert await positions(spool, "teams") == [2]


async def test_opening_reads_no_rows(tmp_path):
    """Opening takes a few steps, whatever waits in the file."""
    async with a_spool(tmp_path, *BOTH) as spool:
        await spool.append([shared(n) for n in range(1, 2000)])
    done = []
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as connection:
        connection.set_progress_handler(lambda: done.append(1), 1)
        keep = store.Store(connection, None, backends=BOTH, limit=1)
        connection.set_progress_handler(None, 1)

    assert keep.totals.of("event", "teams").rows == 1999
    assert len(done) < 500
