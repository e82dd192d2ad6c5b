"""Salvaging a damaged spool of several backends."""

import asyncio
import sqlite3
from contextlib import closing
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.base.errors import ExporterError
from exporter.spool.salvage import repair
from tests.unit.damage import (
    PAGE,
    changed,
    large,
    mark,
    overwrite,
    overwrite_event,
    unreadable_record,
)
from tests.unit.spools import ANY, MEMORY, a_spool, taken

BOTH = ("audit", "teams")
ALL = list(range(1, 101))
LAST_ROOT = 12
"""The number, from 0, of the last page at which a table or an index begins."""
ABOUT = {"kind": "user-task.created", "broker": "8.8.21", "backends": BOTH}


def shared(position):
    """Return an event for both backends."""
    return large(position, **ABOUT)


@pytest.fixture
async def file(tmp_path):
    """Return the file of a spool with 100 events for each of two backends."""
    async with a_spool(tmp_path, *BOTH) as spool:
        await spool.append([shared(n) for n in ALL], [unreadable_record(1)])
    return tmp_path / "spool.sqlite"


async def positions(spool):
    """Return the positions that each backend takes."""
    return {
        name: list(chain(*await taken(spool, backend=name))) for name in spool.outboxes
    }


async def test_damage_costs_one_backend(file):
    """Damage to one backend's events costs the other backend none."""
    async with a_spool(file.parent, *BOTH) as spool:
        await spool.append([large(n, backends=("third",)) for n in range(200, 300)])
    overwrite_event(file, 1)  # of teams: its first page is checked at the start

    async with a_spool(file.parent, *BOTH, "third") as spool:
        missing = spool.salvaged.missing
        assert 0 < missing < 12
        assert spool.waiting_for("audit") == (100, 70_000)
        assert spool.waiting_for("teams") == (100 - missing, 700 * (100 - missing))
        found = await positions(spool)

    assert (found["audit"], found["third"]) == (ALL, list(range(200, 300)))
    assert found["teams"] == ALL[missing:]


async def test_whole_events(file):
    """A salvaged event has all its fields."""
    overwrite(file, 0, 1)
    async with a_spool(file.parent, *BOTH) as spool:
        batch = await spool.outboxes["teams"].take(ANY)

    assert batch.events[0] == shared(1)._replace(backends=("teams",))


@pytest.mark.parametrize(
    "change, missing, waiting",
    [
        ("UPDATE event SET backend = 'third' WHERE position % 3 = 1", 68, 132),
        ("UPDATE event SET backend = 'audit' WHERE position = 2", 1, 199),
        ("UPDATE event SET sequence = 0 WHERE sequence = 5", 1, 199),
        ("UPDATE event SET sequence = 1 << 62 WHERE sequence = 5", 1, 199),
        ("UPDATE event SET sequence = 1 << 50 WHERE sequence = 5", 1, 199),
        ("UPDATE event SET tenant = 'a b' WHERE sequence = 5", 1, 199),
        ("UPDATE event SET kind = x'ff' WHERE sequence = 5", 1, 199),
        ("UPDATE held SET rows = rows - (rows > 1) + 2 * (backend = 'audit')", 1, 200),
        ("DELETE FROM held WHERE backend = 'teams'", None, 200),
    ],
)
async def test_damaged_rows(file, change, missing, waiting):
    """A row with a damaged value is missing, and its event may come again."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(change)
    mark(file)
    async with a_spool(file.parent, *BOTH, "third") as spool:
        assert (spool.salvaged.missing, spool.waiting.rows) == (missing, waiting)
        assert (await spool.append([shared(2)])).repeats == 0
        found = await positions(spool)

    assert found["third"] == []


@pytest.fixture
async def sound(file):
    """Return the content of a sound file, in a form that is not printed."""
    return memoryview(file.read_bytes())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spots=st.lists(
        st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=3)),
        min_size=1,
        max_size=30,
    ),
    near=st.booleans(),
)
@pytest.mark.slow
def test_any_damage(sound, spots, near):
    """With any damage, a salvage ends, costs little, and its totals are right."""
    if near:  # to the place where a page says what it is
        spots = [(place // PAGE * PAGE + place % 60, text) for place, text in spots]
    roots = any(1 <= place % len(sound) // PAGE <= LAST_ROOT for place, _ in spots)
    most = 200 if roots else 12 * len(spots)  # a table without its root is lost
    with TemporaryDirectory(dir=MEMORY) as directory:
        file = Path(directory) / "spool.sqlite"
        file.write_bytes(changed(sound, spots))
        mark(file)
        try:
            salvaged = repair(file)
        except ExporterError:
            return  # another version, which is left alone
        with closing(sqlite3.connect(file)) as connection:
            (result,) = connection.execute("PRAGMA integrity_check").fetchone()
        asyncio.run(check_counts(file.parent))

    assert result == "ok"
    assert 200 - most <= salvaged.events <= 201 + len(spots)


async def check_counts(directory, *others):
    """Take the events of all backends, even of invalid names."""
    async with a_spool(directory, *BOTH, *others) as spool:
        if not (others := spool.left_behind):
            held = {name: spool.waiting_for(name).rows for name in spool.outboxes}
            found = await positions(spool)
            assert held == {name: len(own) for name, own in found.items()}
            assert spool.waiting == (0, 0)
    if others:
        await check_counts(directory, *others)
