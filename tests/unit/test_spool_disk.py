"""The spool on a disk that fails or is full."""

import asyncio
import os
import sqlite3
from functools import partial
from itertools import chain

import pytest

from devkit.waiting import eventually
from exporter.spool import Rejection, SpoolFailedError, SpoolLostError, disk, outbox
from tests.unit.spools import ANY, a_spool, an_event, failing, only, taken, traced

NO = Rejection("refused")


async def test_a_failing_disk_loses_nothing(tmp_path):
    """A failed transaction keeps nothing and raises; the next one may succeed."""
    async with a_spool(tmp_path, limit=1 << 30) as spool:
        await spool.append([an_event(1)])
        connection = spool._writer._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        large = [an_event(n, body=b"x" * 9000) for n in (2, 3)]

        with pytest.raises(SpoolFailedError, match=r"full.*Check free space"):
            await spool.append(large)

        connection.execute("PRAGMA max_page_count = 100000")
        accepted = await spool.append(large)
        assert (len(accepted.entries), accepted.repeats) == (2, 0)
        assert await taken(spool) == [[1, 2, 3]]


async def test_a_failed_transaction_leaves_no_trace(tmp_path):
    """A failed commit isn't counted or remembered, and its sequences aren't reused."""
    async with a_spool(tmp_path) as spool:
        async with failing(spool):
            with pytest.raises(SpoolFailedError):
                await spool.append([an_event(1), an_event(2)])
            assert spool.waiting == (0, 0)

        accepted = await spool.append([an_event(2)])

        assert spool.damage is None
        assert accepted.entries[0].sequence == 3
        assert spool.waiting == (1, len(an_event(2).body))
        assert await taken(spool) == [[2]]


async def test_a_failed_append_leaves_the_reader_at_rest(tmp_path, monkeypatch):
    """After a failed append, the outbox doesn't read the file in a loop."""
    monkeypatch.setattr(outbox, "AHEAD", 8)
    monkeypatch.setattr(outbox, "PAGE", 3)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(n) for n in range(1, 32)])
    async with a_spool(tmp_path) as spool:
        async with failing(spool):
            with pytest.raises(SpoolFailedError):
                await spool.append([an_event(32)])
        assert list(chain(*await taken(spool))) == list(range(1, 32))

        waiting = asyncio.create_task(only(spool).take(ANY))
        async with traced(spool) as statements:
            for _ in range(5):
                await spool.check_writable()
        assert not [sql for sql in statements if sql.startswith("SELECT")]

        await spool.append([an_event(32)])
        batch = await asyncio.wait_for(waiting, 30)
        assert [event.position for event in batch.events] == [32]


@pytest.mark.parametrize("reject", [False, True])
async def test_outcomes_are_written_again(tmp_path, monkeypatch, reject):
    """Settling and rejecting are retried until the disk accepts it."""
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.01)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        box = only(spool)
        batch = await box.take(ANY)
        async with failing(spool):
            end = partial(box.reject, rejection=NO) if reject else box.settle
            ending = asyncio.create_task(end(batch))
            with pytest.raises(SpoolFailedError):
                await spool.check_writable()
            assert not ending.done()

        await asyncio.wait_for(ending, 30)

        assert (spool.waiting.rows, spool.dead.rows) == (0, reject)
        assert box.empty.is_set()


async def test_reading_ahead_goes_on_after_a_failure(tmp_path, monkeypatch):
    """Reading the backlog is retried after a failure."""
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.01)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
    async with a_spool(tmp_path) as spool:
        waiting, failures = spool._store.waiting, [sqlite3.OperationalError("I/O")]
        read = waiting.page

        def page(*args):
            if failures:
                raise failures.pop()
            return read(*args)

        monkeypatch.setattr(waiting, "page", page)
        batch = await asyncio.wait_for(only(spool).take(ANY), 30)
        assert [event.position for event in batch.events] == [1]


async def test_a_disk_almost_full_still_delivers(tmp_path, monkeypatch):
    """On an almost full disk, new events are refused and old ones delivered."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        monkeypatch.setattr(disk, "RESERVE_BYTES", 1 << 62)

        with pytest.raises(SpoolFailedError, match=r"bytes left.*still be delivered"):
            await spool.append([an_event(2)])
        with pytest.raises(SpoolFailedError, match="bytes left"):
            await spool.check_writable()

        assert await taken(spool) == [[1]]


async def test_a_large_log_is_cut_off(tmp_path, monkeypatch):
    """The log shrinks again after a large transaction."""
    monkeypatch.setattr(disk, "KEPT_BYTES", 1 << 20)
    log = tmp_path / "spool.sqlite-wal"
    async with a_spool(tmp_path, limit=1 << 30) as spool:
        large = [an_event(n, body=b"x" * 100_000) for n in range(1, 200)]
        await spool.append(large)
        grown = log.stat().st_size
        await eventually(lambda: log.stat().st_size <= 1 << 20)

        accepted = await spool.append([an_event(200)])

        assert grown > 10 << 20
        assert len(accepted.entries) == 1


async def test_the_file_is_cut_off_to_its_end(tmp_path, monkeypatch):
    """The file shrinks until few free pages are left."""
    monkeypatch.setattr(disk, "KEPT_BYTES", 5 << 20)  # more than the log gets
    file = tmp_path / "spool.sqlite"
    async with a_spool(tmp_path, limit=1 << 30) as spool:
        for start in range(1, 801, 20):
            large = [an_event(n, body=b"x" * 9000) for n in range(start, start + 20)]
            await spool.append(large)
        await taken(spool)

        await eventually(lambda: 4 << 20 < file.stat().st_size < 11 << 19)


async def test_requests_come_between_the_steps(tmp_path, monkeypatch):
    """While the file shrinks, a request waits for one step at most."""
    async with a_spool(tmp_path) as spool:
        connection, inside = spool._writer._connection, []

        def step():
            inside.append(connection.in_transaction)
            return True  # there is always more

        monkeypatch.setattr(spool._store.disk, "give_back", step)
        for position in range(1, 6):
            known = len(inside)
            await spool.append([an_event(position)])
            await eventually(lambda known=known: len(inside) > known)

        assert await taken(spool) == [[1, 2, 3, 4, 5]]
        assert not any(inside)


def remove(path):
    """Rename *path*."""
    path.rename(path.with_name("elsewhere"))


def replace(path):
    """Replace *path* by an empty file."""
    remove(path)
    path.touch()


def cut_short(path):
    """Truncate *path*."""
    os.truncate(path, 0)


@pytest.mark.parametrize("file", ["spool.sqlite", "spool.sqlite-wal"])
@pytest.mark.parametrize("change", [remove, replace, cut_short])
async def test_a_file_that_was_lost(tmp_path, file, change):
    """Nothing is accepted after the file or its log was removed or replaced."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        await spool.check_writable()
        batch = await only(spool).take(ANY)
        change(tmp_path / file)

        with pytest.raises(SpoolLostError, match=rf"{file} was removed.*Restart the"):
            await spool.append([an_event(2)])

        assert [event.position for event in batch.events] == [1]


async def test_a_bug_is_logged(tmp_path, monkeypatch, caplog):
    """A bug in a transaction is logged with a traceback."""
    async with a_spool(tmp_path) as spool:
        monkeypatch.setattr(spool._store, "touch", lambda: 1 / 0)
        with pytest.raises(SpoolFailedError, match="division"):
            await spool.check_writable()
    assert "ZeroDivisionError" in caplog.text
