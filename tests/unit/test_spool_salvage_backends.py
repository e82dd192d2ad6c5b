"""Salvaging a damaged spool of several backends."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.spool import Rejection, salvage
from exporter.spool.errors import SpoolVersionError
from tests.unit.damage import (
    PAGE,
    large,
    overwrite,
    overwrite_event,
    page_of,
    unreadable_record,
)
from tests.unit.spools import ANY, a_spool, taken

BOTH = ("audit", "teams")
ALL = list(range(1, 101))
ABOUT = {"kind": "user-task.created", "broker": "8.8.21", "backends": BOTH}


def shared(position):
    """Return an event for both backends."""
    return large(position, **ABOUT)


@pytest.fixture
async def file(tmp_path):
    """Return the file of a spool with 100 events for each of two backends."""
    async with a_spool(tmp_path, *BOTH) as spool:
        await spool.append([shared(1000)], [unreadable_record(1)])
        outbox = spool.outboxes["audit"]
        await outbox.reject(await outbox.take(ANY), Rejection("refused"))
        await taken(spool, backend="teams")
        await spool.append([shared(n) for n in ALL])
    return tmp_path / "spool.sqlite"


async def positions(spool):
    """Return the positions that each backend takes."""
    return {
        name: list(chain(*await taken(spool, backend=name))) for name in spool.outboxes
    }


async def test_damage_costs_whose_page_it_is(file):
    """Damage to one backend's events costs the other backend none."""
    overwrite_event(file, 50)  # of the one whose events are further behind
    salvage.mark_damaged(file, "test")
    async with a_spool(file.parent, *BOTH) as spool:
        lacks = spool.salvaged.missing
        assert 0 < lacks < 12
        assert spool.waiting_for("audit") == (100, 70_000)
        assert spool.waiting_for("teams") == (100 - lacks, 700 * (100 - lacks))
        assert (spool.dead_of("audit").rows, spool.dead_of(None).rows) == (1, 1)
        found = await positions(spool)

    assert found["audit"] == ALL
    assert found["teams"] == sorted(found["teams"])
    assert 50 not in found["teams"]
    assert len(found["teams"]) == 100 - lacks


async def test_what_one_lacks_is_accepted_again(file):
    """An event that one backend lost is accepted again."""
    overwrite_event(file, 50)
    salvage.mark_damaged(file, "test")
    async with a_spool(file.parent, *BOTH) as spool:
        lacks = spool.salvaged.missing
        again = await spool.append([shared(n) for n in ALL])

        assert again.repeats == 100 - lacks
        found = await positions(spool)
    assert {name: sorted({*found[name]}) for name in BOTH} == dict.fromkeys(BOTH, ALL)
    assert len(found["teams"]) == 100


@pytest.mark.parametrize("pages", [[0], [1], [0, 1]])
async def test_garbage_from_the_start(file, pages):
    """A damaged header costs no backend's events."""
    assert page_of(file, b'"position":1}') > 3
    overwrite(file, *pages)
    async with a_spool(file.parent, *BOTH) as spool:
        again = await spool.append([shared(n) for n in ALL])
        assert again.repeats == 100
        batch = await spool.outboxes["teams"].take(ANY)
        assert batch.events[0] == shared(1)._replace(backends=("teams",))
        spool.outboxes["teams"].give_back(batch.entries)
        assert await positions(spool) == dict.fromkeys(BOTH, ALL)


async def test_damage_where_a_backend_begins(file):
    """Damage in a backend's last page is found when the spool is opened."""
    async with a_spool(file.parent, *BOTH) as spool:
        await spool.append([large(n, backends=("third",)) for n in range(200, 300)])
    overwrite_event(file, 1)

    async with a_spool(file.parent, *BOTH, "third") as spool:
        assert 0 < spool.salvaged.missing < 12
        found = await positions(spool)
    assert (found["audit"], found["third"]) == (ALL, list(range(200, 300)))


async def test_what_lies_in_the_range_of_another(file):
    """A row with a damaged backend is dropped, and its event accepted again."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            "UPDATE event SET backend = 'third' WHERE position % 3 = 1;"
            "UPDATE event SET backend = 'audit' WHERE position = 2"
        )
    salvage.mark_damaged(file, "test")

    async with a_spool(file.parent, *BOTH, "third") as spool:
        assert spool.salvaged.missing == 2 * 34 + 1
        again = await spool.append([shared(n) for n in ALL])
        found = await positions(spool)

    assert again.repeats == 100 - 34 - 1
    assert found["third"] == []
    assert {name: sorted({*found[name]}) for name in BOTH} == dict.fromkeys(BOTH, ALL)


async def test_totals_that_are_right_only_in_sum(file):
    """Missing rows are counted for each backend."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            "UPDATE held SET rows = 101 WHERE (what, backend) = ('event', 'audit');"
            "UPDATE held SET rows = 99 WHERE (what, backend) = ('event', 'teams')"
        )
    salvage.mark_damaged(file, "test")
    async with a_spool(file.parent, *BOTH) as spool:
        assert (await spool.append([shared(1000)])).repeats == 0


@pytest.mark.parametrize("sequence", [0, 1 << 62])
async def test_a_place_that_no_event_has(file, sequence):
    """A row with an invalid tenant is dropped, and its event accepted again."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "UPDATE event SET sequence = ? WHERE sequence = 5", [sequence]
        )
        connection.commit()
    salvage.mark_damaged(file, "test")
    async with a_spool(file.parent, *BOTH) as spool:
        assert (spool.salvaged.missing, spool.waiting.rows) == (1, 199)


@pytest.fixture
async def sound(file):
    """Return the content of a sound file."""
    return file.read_bytes()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    spots=st.lists(
        st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=3)),
        min_size=1,
        max_size=30,
    ),
    near=st.booleans(),
)
def test_any_damage(sound, spots, near):
    """With any damage, the totals after a salvage are the events that are taken."""
    content = bytearray(sound)
    for place, garbage in spots:
        at = place % len(content)
        at = (
            at // PAGE * PAGE + at % 60 if near else at
        )  # where pages say what they are
        content[at : at + len(garbage)] = garbage
    with TemporaryDirectory() as directory:
        file = Path(directory) / "spool.sqlite"
        file.write_bytes(content[: len(sound)])
        salvage.mark_damaged(file, "test")
        with suppress(SpoolVersionError):  # such a file is left alone
            asyncio.run(check_counts(Path(directory)))


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
