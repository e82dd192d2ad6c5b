"""The exporters of a partition wait, repeat and acknowledge as those of a broker do."""

import asyncio
import json

import pytest

from devkit.backend import HANG, HANG_UP, RESET
from devkit.recorder import ACCEPTED
from devkit.waiting import eventually
from tests.devkit.exporters import Exported

BULK = "/_bulk"


def positions(bulks):
    """Return the positions in each of the *bulks*."""
    return [each for _, each in bulks]


@pytest.mark.parametrize(
    "delay, expected",
    [
        (1000, [0, 2, 6, 14, 24, 34]),
        (5, [0, 2, 5, 6, 10, 14, 15, 20, 24, 25, 30, 34, 35]),
    ],
)
async def test_two_clocks(delay, expected):
    """A refused bulk is repeated after 2, 4, 8, 10 s, and also every `bulk.delay`."""
    async with Exported(BULK_DELAY=delay) as exported:
        exported.server.refused = BULK
        await exported.write(1)
        await exported.until(35)

    assert exported.server.bulks == [(at, [1]) for at in expected]


async def test_first_wait_after_a_success():
    """After a success the waits begin at 2 s again."""
    async with Exported() as exported:
        exported.server.refused = BULK
        await exported.write(1, 2)
        await exported.until(5)
        exported.server.refused = None
        await exported.until(6)
        exported.server.refused = BULK
        await exported.write(3)
        await exported.until(9)

    expected = [(0, [1]), (2, [1]), (6, [1]), (6, [2]), (6, [3]), (8, [3])]
    assert exported.server.bulks == expected


async def test_periodic_flush_recovers():
    """What the periodic flush got through isn't sent again; the next record waits."""
    async with Exported(BULK_DELAY=1) as exported:
        exported.server.refused = BULK
        await exported.write(1)
        await exported.until(2.5)
        exported.server.refused = None
        await exported.write(2)
        await exported.until(5.5)
        recovered = exported.exporting.positions
        await exported.until(6)

    assert exported.server.bulks == [*((at, [1]) for at in (0, 1, 2, 2, 3)), (6, [2])]
    assert recovered == {"x": 1}
    assert exported.exporting.positions == {"x": 2}


async def test_one_after_another():
    """No exporter gets a record before the one in front of it has it, once."""
    async with Exported("8.6.0", "first", "second") as exported:
        first, second = exported.servers.values()
        gate = first.hold(ACCEPTED)
        hanging = asyncio.create_task(exported.write(1, 2))
        await eventually(lambda: first.requests)
        assert second.requests == []
        first.refused = BULK
        gate.set()
        await hanging
        assert second.requests == []
        first.refused, second.refused = None, BULK
        await exported.until(6)

    assert first.bulks == [(0, [1]), (2, [1])]
    assert second.bulks == [(2, [1]), (6, [1])]


async def test_startup_begins_again():
    """When one of the first requests fails all of them are repeated."""
    async with Exported(INDEX_CREATETEMPLATE="true") as exported:
        exported.server.refused = "/zeebe-record*/_settings"
        await exported.write(1)
        refused = len(exported.server.requests)
        exported.server.refused = None
        await exported.until(2)
        await exported.write(2)

    paths = [request.path for request in exported.server.requests]
    assert refused == 33
    assert paths == paths[:refused] * 2 + [BULK] * 2


async def test_bulk_size():
    """A bulk is sent when it has enough records or is due, then it's acknowledged."""
    acknowledged = []
    async with Exported(BULK_SIZE=3, BULK_DELAY=5) as exported:
        await exported.write(1, 2, 3, 4)
        for refused in (BULK, None):
            acknowledged.append(exported.exporting.positions)
            exported.server.refused = refused
            await exported.until(exported.clock.seconds + 5)
        acknowledged.append(exported.exporting.positions)

    assert exported.server.bulks == [(0, [1, 2, 3]), (5, [4]), (10, [4])]
    assert acknowledged == [{"x": 3}, {"x": 3}, {"x": 4}]


async def test_skipped_records():
    """What isn't sent is acknowledged by the next periodic flush."""
    async with Exported(BULK_DELAY=5) as exported:
        await exported.write(1)
        await exported.write(2, valueType="PROCESS_EVENT")
        early = exported.exporting.positions
        await exported.until(5)

    assert (early, exported.exporting.positions) == ({"x": 1}, {"x": 2})
    assert exported.exporting.exported == {"x": 2}
    assert positions(exported.server.bulks) == [[1]]


@pytest.mark.parametrize("failure", [HANG, HANG_UP, RESET])
async def test_new_connection_after_a_failure(failure):
    """A connection is kept until a request gets no answer in time."""
    async with Exported(REQUESTTIMEOUTMS=50) as exported:
        await exported.write(1)
        accepting, exported.server.answer = exported.server.answer, failure
        await exported.write(2)
        exported.server.answer = accepting
        await exported.until(2)

    assert positions(exported.server.bulks) == [[1], [2], [2]]
    _, first, second, third = (
        request.connection for request in exported.server.requests
    )
    assert first is second is not third


async def test_restart():
    """A restart goes on after the snapshot; a new exporter begins with the log."""
    async with Exported() as before:
        await before.write(1, 2)
        snapshot = json.loads(json.dumps(before.exporting.snapshot()))
        await before.write(3)
    log = (1, 2, 3, 4)
    async with Exported("8.6.0", "x", "y", snapshot=snapshot, log=log) as exported:
        known, new = exported.servers.values()

    assert positions(known.bulks) == [[3], [4]]
    assert [each.record["sequence"] & 0xFFFF for each in known.records] == [3, 4]
    assert positions(new.bulks) == [[1], [2], [3], [4]]


async def test_disabled():
    """A disabled exporter gets nothing, and once enabled only what is new."""
    async with Exported("8.6.0", "a", "b") as exported:
        first, second = exported.servers.values()
        first.refused = BULK
        await exported.write(1)
        exported.exporting.disable("a")
        first.refused = None
        await exported.until(2)
        await exported.write(2)
        exported.exporting.enable("a")
        await exported.write(3)

    assert positions(second.bulks) == [[1], [2], [3]]
    assert positions(first.bulks) == [[1], [3]]


@pytest.mark.parametrize(
    "version, before, after",
    [
        ("8.6.0", "ENABLED", "DISABLED"),
        ("8.7.11", "ENABLED", "DISABLED"),
        ("8.7.12", "ENABLED", "CONFIG_NOT_FOUND"),
        ("8.10.0", "CONFIG_NOT_FOUND", "CONFIG_NOT_FOUND"),
        ("8.10.0", "DISABLED", "DISABLED"),
    ],
)
def test_without_variables(version, before, after):
    """An exporter without variables holds up the log or is disabled, by version."""
    kept = {"exporters": {"gone": {"position": 7}}, "states": {"gone": before}}
    exporting = Exported(version, snapshot=kept).exporting

    assert exporting.states == {"gone": after, "x": "ENABLED"}
    is_gone = after == "CONFIG_NOT_FOUND"
    assert ("gone" in exporting.snapshot()["exporters"]) == is_gone
    assert exporting.can("delete", "gone") == is_gone
    assert not exporting.can("delete", "x")
    assert not exporting.can("enable", "gone")
    assert exporting.can("disable", "gone")
