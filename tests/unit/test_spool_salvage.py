"""Salvaging a damaged spool."""

import asyncio
import os
import re
import resource
import shutil
import sqlite3
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from devkit.waiting import eventually
from exporter.base.errors import ExporterError
from exporter.spool import SpoolDamagedError, salvage
from exporter.spool.database import is_damage
from exporter.spool.salvage import repair
from tests.unit.damage import (
    large,
    mark,
    overwrite,
    overwrite_event,
    page_of,
    pages_of,
    unreadable_record,
)
from tests.unit.spools import a_spool, an_event, taken

ALL = list(range(1, 201))


@pytest.fixture
async def file(tmp_path):
    """Return the file of a spool with 200 events and five dead letters."""
    async with a_spool(tmp_path) as spool:
        await spool.append(
            [large(n) for n in ALL], [unreadable_record(n) for n in range(5)]
        )
    return tmp_path / "spool.sqlite"


async def opened(directory):
    """Open the spool; return the salvage's result and the waiting positions."""
    async with a_spool(directory) as spool:
        held = spool.waiting
        positions = list(chain(*await taken(spool)))
        assert held.rows == len(positions)
        assert positions == sorted({*positions})
        return spool.salvaged, positions


def bytes_read():
    """Return the bytes that this process has read from files."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


async def test_sound_file(file):
    """A sound file isn't changed, and only a small part of it is read."""
    async with a_spool(file.parent, limit=1 << 30) as spool:
        await spool.append([an_event(n, body=b"x" * 50_000) for n in range(201, 401)])
    before = file.read_bytes()

    start = bytes_read()
    assert repair(file) is None
    end = bytes_read()

    assert file.read_bytes() == before
    assert end - start < len(before) / 20
    assert sorted(path.name for path in file.parent.iterdir()) == ["lock", file.name]


# The second page is SQLite's pointer map, which is needed only to shrink the file.
@pytest.mark.parametrize(
    "pages, events, least",
    [
        ([], [], 200),
        ([], [50], 194),
        ([], [1, 50], 189),
        ([], [1, 6, 11, 21, 26], 175),
        ([0], [], 200),
        ([0, 1], [], 200),
        ([0], [50], 194),
    ],
)
async def test_damage_costs_only_the_damaged_pages(file, pages, events, least):
    """All events outside of damaged pages are salvaged, counted and delivered."""
    overwrite(file, *pages)
    for position in events:
        overwrite_event(file, position)
    mark(file)
    damaged = file.read_bytes()

    async with a_spool(file.parent) as spool:
        salvaged, waiting, dead = spool.salvaged, spool.waiting, spool.dead
    again, positions = await opened(file.parent)

    assert again is None
    assert least <= len(positions) <= 200 - 4 * len(events)
    assert not {*events} & {*positions}
    assert waiting == (len(positions), 700 * len(positions))
    assert dead == (5, 5 * len(b"{garbage 1"))
    assert salvaged[1:] == (len(positions), 5, 200 - len(positions))
    assert salvaged.aside.read_bytes() == damaged
    assert salvaged.aside.name.startswith("spool.sqlite.damaged-20")


async def test_damaged_root_page(file, caplog):
    """A damaged root page costs its table; the file is kept, and the log has a line."""
    overwrite(file, 2)
    damaged = file.read_bytes()

    salvaged, positions = await opened(file.parent)

    assert (positions, salvaged[1:]) == ([], (0, 5, 200))
    assert "the spool is damaged; salvaging" in caplog.text
    assert salvaged.aside.read_bytes() == damaged


async def test_truncated_file(file):
    """A file that was cut in half gives its first half."""
    os.truncate(file, file.stat().st_size // 2 + 100)

    salvaged, positions = await opened(file.parent)

    assert positions[:50] == ALL[:50]
    assert len(positions) < 125
    assert salvaged.missing == 200 - len(positions)


@pytest.mark.parametrize("content", [b"", b"no database" * 9999, b"\x0d" * 99_999])
async def test_nothing_but_garbage(file, content):
    """A file of garbage is replaced by an empty spool, and reported."""
    file.write_bytes(content)

    salvaged, positions = await opened(file.parent)

    assert positions == []
    assert (salvaged.events, salvaged.missing) == (0, None)
    assert salvaged.aside.read_bytes() == content
    assert (await opened(file.parent))[0] is None


async def test_a_file_without_a_version(file):
    """A header that lost its version isn't taken for another schema's."""
    whole = file.read_bytes()
    file.write_bytes(whole[:60] + bytes(4) + whole[64:])
    salvaged, positions = await opened(file.parent)
    assert (salvaged, positions) == (None, ALL)

    file.write_bytes(whole[:40])
    salvaged, positions = await opened(file.parent)
    assert (salvaged.events, salvaged.missing, positions) == (0, None, [])


@pytest.mark.parametrize("lost, accepted", [(False, 0), (True, 201)])
async def test_repeats_after_a_salvage(file, lost, accepted):
    """Repeats are recognized if nothing is missing; otherwise all are accepted."""
    delivered = an_event(300, partition=2)
    async with a_spool(file.parent) as spool:
        await spool.append([delivered])
    mark(file)
    if lost:
        overwrite_event(file, 50)

    async with a_spool(file.parent) as spool:
        assert (spool.salvaged.missing > 0) is lost
        again = await spool.append([*map(large, ALL), delivered])
        letters = await spool.append([], [unreadable_record(1)])

    assert (len(again.entries), letters.dead_letters) == (accepted, 0)


async def test_damaged_identities(file):
    """If a page of identities is damaged, the rest is still recognized."""
    async with a_spool(file.parent) as spool:
        for n in range(201, 1000):
            await spool.append([an_event(n)])
        await taken(spool)
    overwrite(file, *pages_of(file, b"default", times=50)[-5:])
    mark(file)

    async with a_spool(file.parent) as spool:
        again = await spool.append([an_event(n) for n in range(201, 1000)])

    assert 200 < again.repeats < 799


async def test_kill_during_a_salvage(file, tmp_path, monkeypatch):
    """After a kill at any moment of a salvage, the next start completes it."""
    async with a_spool(tmp_path) as spool:
        await spool.append([large(201)])
        damaged = tmp_path / "damaged spool"
        shutil.copytree(tmp_path, damaged)
    mark(damaged / file.name)
    states = []

    def seen(act, *args):
        states.append(tmp_path / f"state {len(states)}")
        shutil.copytree(damaged, states[-1])
        return act(*args)

    monkeypatch.setattr(Path, "rename", lambda *a, f=Path.rename: seen(f, *a))
    monkeypatch.setattr(Path, "unlink", lambda *a, f=Path.unlink, **_: seen(f, *a, 1))
    monkeypatch.setattr(salvage, "sync", partial(seen, salvage.sync))
    assert repair(damaged / file.name).events == 201
    monkeypatch.undo()

    assert len(states) > 8
    for state in [*states, damaged]:
        _, positions = await opened(state)
        assert positions == [*ALL, 201]
        (log,) = state.glob("spool.sqlite.damaged-*Z-wal")
        assert log.with_name(log.name.removesuffix("-wal")).exists()
        assert not list(state.glob("*.salvaged"))


async def test_no_room_for_a_salvage(file):
    """Without disk space, a salvage fails; the next start can complete it."""
    mark(file)
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(ExporterError, match=r"can't be opened.*free space"):
            await opened(file.parent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert file.read_bytes() == before
    assert {p.name for p in file.parent.iterdir()} == {"damaged", "lock", file.name}
    assert (await opened(file.parent))[1] == ALL


async def test_missing_dead_letters(file):
    """Missing dead letters are counted."""
    overwrite(file, page_of(file, b"{garbage 4"))
    mark(file)

    salvaged, positions = await opened(file.parent)

    assert positions == ALL
    assert salvaged[1:] == (200, 0, 5)


async def test_mark_without_a_file(file):
    """A mark without a file leads to an empty spool."""
    mark(file)
    file.unlink()

    assert await opened(file.parent) == (None, [])


async def test_damage_found_while_running(file, monkeypatch):
    """Damage found while running is reported, and the next start salvages."""
    monkeypatch.setattr("exporter.spool.outbox.RETRY_SECONDS", 60)
    monkeypatch.setattr("exporter.spool.outbox.AHEAD", 20)
    overwrite_event(file, 100)
    async with a_spool(file.parent) as spool:
        assert spool.salvaged is None
        taking = asyncio.create_task(taken(spool))
        await eventually(lambda: spool.damage)
        taking.cancel()

        with pytest.raises(SpoolDamagedError, match=r"malformed.*next start"):
            await spool.append([large(201)])

    salvaged, positions = await opened(file.parent)
    assert salvaged.missing == len({*range(positions[0], 201)} - {*positions})
    assert 0 < salvaged.missing < 10


@pytest.mark.parametrize(
    "code, expected",
    [
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_IOERR_CORRUPTFS, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_CANTOPEN, False),
    ],
)
def test_errors_that_mean_damage(code, expected):
    """Only SQLite's errors about content mean damage."""
    error = sqlite3.DatabaseError("any")
    error.sqlite_errorcode = code
    assert is_damage(error) is expected


async def test_log_without_a_file(tmp_path):
    """Events that are only in the log are salvaged without the file."""
    async with a_spool(tmp_path / "first") as spool:
        await spool.append([an_event(1), an_event(2)])
        (tmp_path / "second").mkdir()
        shutil.copy(tmp_path / "first" / "spool.sqlite-wal", tmp_path / "second")

    assert (await opened(tmp_path / "second"))[1] == [1, 2]


async def test_log_of_an_interrupted_salvage(file, tmp_path):
    """The copy of a log that an earlier salvage left behind isn't read."""
    async with a_spool(tmp_path / "other") as spool:
        await spool.append([an_event(n) for n in range(1001, 1100)])
        log = (tmp_path / "other" / "spool.sqlite-wal").read_bytes()
    (tmp_path / "spool.sqlite.copy-wal").write_bytes(log)
    mark(file)

    assert (await opened(file.parent))[1] == ALL
