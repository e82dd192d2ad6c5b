"""Salvaging a damaged spool."""

import asyncio
import os
import re
import resource
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devkit.waiting import eventually
from exporter.base.errors import ExporterError
from exporter.spool import SpoolDamagedError, salvage
from exporter.spool.database import is_damage
from exporter.spool.errors import SpoolVersionError
from exporter.spool.salvage import repair
from tests.unit.damage import (
    PAGE,
    large,
    overwrite,
    overwrite_event,
    page_of,
    unreadable_record,
)
from tests.unit.spools import ANY, a_spool, an_event, failing, only, taken

ALL = list(range(1, 201))
LAST_ROOT = 8
"""The number, from 0, of the last page at which a table or an index begins."""


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
        held = spool.waiting.rows
        positions = list(chain(*await taken(spool)))
        assert held == len(positions)
        return spool.salvaged, positions


def lost(positions):
    """Return all positions that are missing in *positions*."""
    assert positions == sorted(set(positions))
    return sorted(set(ALL) - set(positions))


def bytes_read():
    """Return the bytes that this process has read from files."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


async def test_a_healthy_file_is_left_alone(file):
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


async def test_damaged_pages_cost_what_is_on_them(file):
    """Events after a damaged page are salvaged, and totals are counted again."""
    overwrite_event(file, 50)
    overwrite_event(file, 1)
    damaged = file.read_bytes()

    async with a_spool(file.parent) as spool:
        salvaged, waiting, dead = spool.salvaged, spool.waiting, spool.dead
        positions = list(chain(*await taken(spool)))

    missing = lost(positions)
    assert {1, 50} < set(missing)
    assert len(missing) <= 12
    assert waiting == (200 - len(missing), 700 * (200 - len(missing)))
    assert dead == (5, 5 * len(b"{garbage 1"))
    assert salvaged[1:] == (len(positions), 5, len(missing))
    assert salvaged.aside.read_bytes() == damaged
    assert salvaged.aside.name.startswith("spool.sqlite.damaged-20")


# The second page is SQLite's pointer map, which is needed only to shrink the file.
@pytest.mark.parametrize("pages", [[0], [0, 1]])
async def test_garbage_from_the_start(file, pages):
    """A damaged header and schema cost no events."""
    overwrite(file, *pages)

    salvaged, positions = await opened(file.parent)

    assert positions == ALL
    assert salvaged[1:] == (200, 5, 0)


async def test_garbage_at_the_start_and_further_on(file):
    """A damaged page costs its events, also with a damaged header."""
    overwrite(file, 0)
    overwrite_event(file, 50)

    _, positions = await opened(file.parent)

    assert 50 in lost(positions)
    assert len(lost(positions)) <= 6


async def test_garbage_in_the_root(file):
    """A damaged root page costs the table; the events are accepted again."""
    overwrite(file, 2)

    async with a_spool(file.parent) as spool:
        assert spool.salvaged[1:] == (0, 5, 200)
        assert len((await spool.append(list(map(large, ALL)))).entries) == 200


async def test_garbage_in_the_map(file):
    """A damaged pointer map costs no events."""
    overwrite(file, 1)

    _, positions = await opened(file.parent)

    assert positions == ALL


async def test_a_truncated_file(file):
    """The first part of a truncated file is salvaged."""
    os.truncate(file, file.stat().st_size // 2 + 100)

    salvaged, positions = await opened(file.parent)

    assert 50 < len(positions) < 150
    assert salvaged.missing == len(lost(positions))


@pytest.mark.parametrize("content", [b"", b"no database" * 9999, b"\x0d" * 99_999])
async def test_a_file_of_nothing_but_garbage(file, content):
    """A file of garbage is replaced by an empty spool, and reported."""
    file.write_bytes(content)

    salvaged, positions = await opened(file.parent)

    assert positions == []
    assert (salvaged.events, salvaged.missing) == (0, None)
    assert salvaged.aside.read_bytes() == content
    assert (await opened(file.parent))[0] is None


async def test_bodies_larger_than_a_page(tmp_path):
    """Large events are salvaged without a change."""
    bodies = [os.urandom(size) for size in (4000, 4096, 50_000, 3_000_000)]
    file = tmp_path / "spool.sqlite"
    async with a_spool(tmp_path, limit=1 << 30) as spool:
        events = [an_event(n, body=body) for n, body in enumerate(bodies)]
        await spool.append(events)
    overwrite(file, 0)

    async with a_spool(tmp_path, limit=1 << 30) as spool:
        assert spool.salvaged.events == 4
        assert (await only(spool).take(ANY)).events == events[:3]


async def test_repeats_are_still_known(file):
    """If no event is missing, repeats are still recognized."""
    async with a_spool(file.parent) as spool:
        await spool.append([an_event(300, partition=2)])
        await taken(spool)
        await spool.append([an_event(301)])
    overwrite(file, 0)

    async with a_spool(file.parent) as spool:
        assert spool.salvaged[1:] == (1, 5, 0)
        again = [*map(large, ALL), an_event(301), an_event(300, partition=2)]
        assert (await spool.append(again, [unreadable_record(1)])).entries == []
        assert spool.dead.rows == 5


async def test_what_is_missing_may_come_again(file):
    """If events are missing, they are accepted again."""
    overwrite_event(file, 1)

    async with a_spool(file.parent) as spool:
        missing = spool.salvaged.missing
        again = await spool.append(list(map(large, ALL)))
        assert missing > 0
        assert len(again.entries) == missing
        assert spool.waiting.rows == 200


@pytest.mark.parametrize("position", [200, None])
async def test_no_settled_event_comes_from_a_free_page(file, position):
    """Deleted rows in free pages are not salvaged."""
    async with a_spool(file.parent) as spool:
        # Some builds of SQLite overwrite deleted rows.
        await spool._writer.do(
            partial(spool._writer._connection.execute, "PRAGMA secure_delete = off")
        )
        for _ in range(2):
            await only(spool).settle(await only(spool).take(ANY))
    if position:
        overwrite_event(file, position)
    else:
        overwrite(file, 0)  # which knows the free pages

    _, positions = await opened(file.parent)

    assert positions[0] == 101
    assert {*range(101, 190)} < set(positions)


def identities(file):
    """Return the numbers of the pages with many identities, counted from 0."""
    content = file.read_bytes()
    pages = [content[n : n + PAGE] for n in range(0, len(content), PAGE)]
    return [n for n, page in enumerate(pages) if page.count(b"default") > 50]


async def test_the_rest_of_the_memory(file, monkeypatch):
    """If identities are lost, the rest is kept, and old ones are still forgotten."""
    async with a_spool(file.parent) as spool:
        await spool.append([an_event(n) for n in range(201, 1000)])
        await taken(spool)
        await spool.append([an_event(1000)])
    overwrite(file, identities(file)[3])
    monkeypatch.setattr("exporter.spool.identities.REMEMBER_AT_LEAST", 10)
    monkeypatch.setattr("exporter.spool.identities.REMEMBER_MS", 1)
    monkeypatch.setattr("exporter.spool.identities.LOOK_EVERY", 10)
    salvage.mark_damaged(file, "test")

    async with a_spool(file.parent) as spool:
        connection = spool._writer._connection
        (known,) = connection.execute("SELECT count(*) FROM identity").fetchone()
        again = await spool.append([an_event(n) for n in range(201, 1000)])
        for start in range(2000, 4000, 20):
            await spool.append([an_event(n) for n in range(start, start + 20)])
        rows, oldest = connection.execute(
            "SELECT count(*), min(position) FROM identity"
        ).fetchone()

    assert 300 < known < 1000
    assert again.repeats == known - 201  # and 200 that wait, and the last one
    assert rows < 40
    assert oldest > 3900


async def test_a_kill_during_a_salvage(file, tmp_path, monkeypatch):
    """After a kill at any moment of a salvage, the next start completes it."""
    async with a_spool(tmp_path) as spool:
        await spool.append([large(201)])
        damaged = tmp_path / "damaged spool"
        shutil.copytree(tmp_path, damaged)
    salvage.mark_damaged(damaged / file.name, "test")
    states = []

    def seen(act, *args):
        states.append(tmp_path / f"state {len(states)}")
        shutil.copytree(damaged, states[-1])
        return act(*args)

    monkeypatch.setattr(Path, "rename", lambda *a, f=Path.rename: seen(f, *a))
    monkeypatch.setattr(Path, "unlink", lambda *a, f=Path.unlink, **_: seen(f, *a, 1))
    monkeypatch.setattr(salvage, "_sync", partial(seen, salvage._sync))
    assert repair(damaged / file.name).events == 201
    monkeypatch.undo()

    assert len(states) > 8
    for state in [*states, damaged]:
        _, positions = await opened(state)
        assert positions == [*ALL, 201]
        aside = list(state.glob("spool.sqlite.damaged-*Z"))
        assert len(aside) == 1
        assert aside[0].with_name(f"{aside[0].name}-wal").exists()
        assert not list(state.glob("*.salvaged"))


async def test_no_room_for_a_salvage(file):
    """Without disk space, a salvage fails; the next start can complete it."""
    salvage.mark_damaged(file, "test")
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(ExporterError, match=r"can't be opened.*free space"):
            repair(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert file.read_bytes() == before
    assert {p.name for p in file.parent.iterdir()} == {"damaged", "lock", file.name}
    assert (await opened(file.parent))[1] == ALL


async def test_dead_letters_that_are_missing(file):
    """Missing dead letters are counted."""
    overwrite(file, page_of(file, b"{garbage 4"))

    salvaged, positions = await opened(file.parent)

    assert positions == ALL
    assert salvaged[1:] == (200, 0, 5)


async def test_a_mark_without_its_file(file):
    """A mark without a file leads to an empty spool."""
    salvage.mark_damaged(file, "test")
    file.unlink()

    assert await opened(file.parent) == (None, [])
    assert await opened(file.parent) == (None, [])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=3)),
        min_size=1,
        max_size=30,
    )
)
def test_any_damage(sound, spots):
    """With any damage, a salvage ends, and costs only events near the damage."""
    content = bytearray(sound.bytes)
    most = 12 * len(spots)
    for place, garbage in spots:
        at = place % len(content)
        content[at : at + len(garbage)] = garbage
        if 1 <= at // PAGE <= LAST_ROOT:
            most = 200  # a table without its root is lost
    with TemporaryDirectory() as directory:
        file = Path(directory) / "spool.sqlite"
        file.write_bytes(content[: len(sound.bytes)])
        salvage.mark_damaged(file, "test")
        try:
            salvaged = repair(file)
        except SpoolVersionError:
            return  # such a file is left alone
        with closing(sqlite3.connect(file)) as connection:
            (result,) = connection.execute("PRAGMA integrity_check").fetchone()

    assert result == "ok"
    assert 200 - most <= salvaged.events <= 201 + len(spots)


class Sound:
    """The content of a sound file, in a class so that failing tests don't print it."""

    def __init__(self, content):
        """Keep *content*."""
        self.bytes = content


@pytest.fixture
async def sound(file):
    """Return the content of a sound file."""
    return Sound(file.read_bytes())


async def test_two_salvages_in_one_second(file):
    """Damaged files of two salvages in one second get different names."""
    for number in range(3):
        salvage.mark_damaged(file, "test")
        assert repair(file).events == 200
        assert len(list(file.parent.glob("*.damaged-*Z"))) == number + 1
    assert (await opened(file.parent))[1] == ALL


async def test_a_log_without_its_file(tmp_path):
    """Events that are only in the log are salvaged without the file."""
    async with a_spool(tmp_path / "first") as spool:
        await spool.append([an_event(1), an_event(2)])
        (tmp_path / "second").mkdir()
        shutil.copy(tmp_path / "first" / "spool.sqlite-wal", tmp_path / "second")

    _, positions = await opened(tmp_path / "second")

    assert positions == [1, 2]


@pytest.mark.parametrize("damage", [lambda f: os.truncate(f, 9000), Path.touch])
async def test_a_damaged_file_of_a_newer_exporter(file, damage):
    """A damaged file with another schema version is refused and unchanged."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    damage(file)
    before = file.read_bytes()

    with pytest.raises(ExporterError, match=r"version 99.*newer"):
        async with a_spool(file.parent):
            pass

    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["lock", file.name]


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
    assert salvaged.missing == len(set(range(positions[0], 201)) - set(positions))
    assert 0 < salvaged.missing < 10
    assert (await opened(file.parent))[0] is None


async def test_a_disk_in_trouble_is_no_damage(file):
    """A failed transaction without damage leads to no salvage."""
    async with a_spool(file.parent) as spool:
        async with failing(spool):
            with pytest.raises(ExporterError):
                await spool.append([large(201)])
        assert spool.damage is None
        await spool.append([large(201)])

    assert (await opened(file.parent))[0] is None


@pytest.mark.parametrize(
    "code, expected",
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_IOERR_READ, False),
        (sqlite3.SQLITE_IOERR_CORRUPTFS, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_CANTOPEN, False),
        (None, False),
    ],
)
def test_what_counts_as_damage(code, expected):
    """Only SQLite's errors about content mean damage."""
    error = sqlite3.DatabaseError("any")
    if code is not None:
        error.sqlite_errorcode = code
    assert is_damage(error) is expected


async def left_behind(directory, before=(1, 2, 3), last=()):
    """Return the log before and after *last* was appended."""
    async with a_spool(directory / "killed") as spool:
        await spool.append([an_event(n) for n in before])
        shutil.copytree(directory / "killed", directory / "copy")
        log = directory / "copy" / "spool.sqlite-wal"
        if last:
            await spool.append([an_event(n) for n in last])
        return log, (directory / "killed" / log.name).read_bytes()


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("tail", [b"", os.urandom(9000), bytes(9000)])
async def test_a_log_left_behind(tmp_path, tail, marked):
    """Committed events are salvaged, whatever follows them in the log."""
    log, content = await left_behind(tmp_path)
    log.write_bytes(content + tail)
    if marked:
        salvage.mark_damaged(log, "test")

    salvaged, positions = await opened(log.parent)

    assert positions == [1, 2, 3]
    assert bool(salvaged) is marked


@pytest.mark.parametrize("marked", [False, True])
async def test_a_log_that_began_anew(tmp_path, marked):
    """Frames from before the last checkpoint are not read."""
    async with a_spool(tmp_path) as spool:
        for position in range(1, 50):
            await spool.append([an_event(position)])
        spool._writer._connection.execute("PRAGMA wal_checkpoint")
        await spool.append([an_event(50)])
        shutil.copytree(tmp_path, tmp_path / "copy")
    if marked:
        salvage.mark_damaged(tmp_path / "copy" / "spool.sqlite", "test")

    salvaged, positions = await opened(tmp_path / "copy")

    assert positions == list(range(1, 51))
    assert bool(salvaged) is marked


async def test_damage_beside_a_log_left_behind(file, tmp_path):
    """The file and its log are kept without a change."""
    async with a_spool(tmp_path) as spool:
        await spool.append([large(201)])
        shutil.copytree(tmp_path, tmp_path / "copy")
    file = tmp_path / "copy" / file.name
    overwrite_event(file, 1)
    log = file.with_name(f"{file.name}-wal")
    before = file.read_bytes(), log.read_bytes()

    salvaged, positions = await opened(file.parent)

    aside = salvaged.aside
    assert positions[-1] == 201
    assert before == (
        aside.read_bytes(),
        aside.with_name(f"{aside.name}-wal").read_bytes(),
    )


@pytest.mark.parametrize("written", [10, 24, 4000, -1])
async def test_a_commit_that_was_cut_off(tmp_path, written):
    """An incomplete transaction in the log costs no other transaction."""
    log, content = await left_behind(tmp_path, last=[4])
    log.write_bytes(
        content[: log.stat().st_size + written] if written > 0 else content[:-1]
    )

    assert await opened(log.parent) == (None, [1, 2, 3])
