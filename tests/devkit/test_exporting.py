"""The exporters of a partition wait, repeat and acknowledge as in a broker."""

import asyncio
import json

import pytest

from devkit.backend import HANG, HANG_UP, RESET, Answer
from devkit.recorder import ACCEPTED
from devkit.waiting import eventually
from tests.devkit.exporters import Exported

BULK = "/_bulk"


async def test_waits():
    """A refused bulk is repeated after 2, 4, 8, 10 s; a success resets the wait."""
    async with Exported() as exported:
        exported.server.refused = BULK
        await exported.write(1)
        await exported.until(40)
        exported.server.refused = None
        await exported.until(44)
        exported.server.refused = BULK
        await exported.write(2)
        await exported.until(47)

    first = [(at, [1]) for at in (0, 2, 6, 14, 24, 34, 44)]
    assert exported.server.bulks == [*first, (44, [2]), (46, [2])]


async def test_periodic_flush():
    """A bulk is also sent every `bulk.delay`, and not again once it is accepted."""
    async with Exported(BULK_DELAY=3) as exported:
        exported.server.refused = BULK
        await exported.write(1, 2)
        await exported.until(8)
        exported.server.refused = None
        await exported.until(13)
        recovered = exported.exporting.positions
        await exported.until(14)

    first = [(at, [1]) for at in (0, 2, 3, 6, 6, 9)]
    assert exported.server.bulks == [*first, (14, [2])]
    assert (recovered, exported.exporting.positions) == ({"x": 1}, {"x": 2})


async def test_one_after_another():
    """A record reaches each exporter once, one exporter after another."""
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
    """If one startup request fails, all of them are repeated."""
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
    """A bulk is sent when it is full or due; this acknowledges all records so far."""
    acknowledged = []
    async with Exported(BULK_SIZE=3, BULK_DELAY=5) as exported:
        await exported.write(1, 2, 3, 4)
        await exported.write(5, valueType="PROCESS_EVENT")
        for refused in (BULK, None):
            acknowledged.append(exported.exporting.positions)
            exported.server.refused = refused
            await exported.until(exported.clock.seconds + 5)
        acknowledged.append(exported.exporting.positions)

    assert exported.server.bulks == [(0, [1, 2, 3]), (5, [4]), (10, [4])]
    assert acknowledged == [{"x": 3}, {"x": 3}, {"x": 5}]


LONG_HEAD = Answer(200, {"X-Long": "x" * (1 << 17)})
DEEP = Answer(200, {"Content-Type": "application/json"}, b"[" * 100_000)


@pytest.mark.parametrize("nonsense", [LONG_HEAD, DEEP], ids=["long head", "deep"])
async def test_nonsense_is_a_failure(nonsense):
    """After any invalid answer, the bulk is sent again."""
    async with Exported() as exported:
        accepting, exported.server.answer = exported.server.answer, nonsense
        await exported.write(1)
        exported.server.answer = accepting
        await exported.until(2)

    assert exported.server.bulks == [(2, [1])]


@pytest.mark.parametrize("failure", [HANG, HANG_UP, RESET])
async def test_new_connection_after_a_failure(failure):
    """A connection is reused until a request times out."""
    async with Exported(REQUESTTIMEOUTMS=1000) as exported:
        await exported.write(1)
        accepting, exported.server.answer = exported.server.answer, failure
        await exported.write(2)
        exported.server.answer = accepting
        await exported.until(2)

    assert exported.server.bulks == [(0, [1]), (0, [2]), (2, [2])]
    _, first, second, third = (each.connection for each in exported.server.requests)
    assert first is second is not third


async def test_restart():
    """A restart continues from the snapshot; a new exporter starts with the log."""
    async with Exported() as before:
        await before.write(1, 2)
        snapshot = json.loads(json.dumps(before.exporting.snapshot()))
        await before.write(3)
    async with Exported("8.6.0", "x", "y", snapshot=snapshot) as exported:
        known, new = exported.servers.values()
        await exported.write(1, 2, 3, 4)

    assert known.bulks == [(0, [3]), (0, [4])]
    assert [each.record["sequence"] & 0xFFFF for each in known.records] == [3, 4]
    assert new.bulks == [(0, [1]), (0, [2]), (0, [3]), (0, [4])]


async def test_disabled():
    """A disabled exporter gets nothing; after `enable` it gets only new records."""
    async with Exported("8.6.0", "a", "b") as exported:
        first, second = exported.servers.values()
        first.refused = BULK
        await exported.write(1)
        exported.exporting.disable("a")
        first.refused = None
        await exported.until(2)
        await exported.write(2)
        exported.exporting.enable("a")
        assert exported.exporting.positions == {"a": 2, "b": 2}
        await exported.write(3)

    assert second.bulks == [(2, [1]), (2, [2]), (2, [3])]
    assert first.bulks == [(0, [1]), (2, [3])]


@pytest.mark.parametrize(
    "version, before, after",
    [
        ("8.7.11", "ENABLED", "DISABLED"),
        ("8.7.12", "ENABLED", "CONFIG_NOT_FOUND"),
        ("8.10.0", "CONFIG_NOT_FOUND", "CONFIG_NOT_FOUND"),
        ("8.10.0", "DISABLED", "DISABLED"),
    ],
)
def test_without_variables(version, before, after):
    """An exporter without variables blocks the log or is disabled, by version."""
    kept = {"exporters": {"gone": {"position": 7}}, "states": {"gone": before}}
    exporting = Exported(version, snapshot=kept).exporting

    assert exporting.states == {"gone": after, "x": "ENABLED"}
    kept = exporting.snapshot()["exporters"].keys()
    assert kept == ({"gone", "x"} if after == "CONFIG_NOT_FOUND" else {"x"})
