"""The exporters of a partition wait, repeat and acknowledge as those of a broker do."""

import logging

import pytest

from devkit.exporting import ChangeRefusedError
from tests.devkit.exporters import Exported


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
        exported.server.status = 503
        await exported.write(1)
        await exported.until(35)

    assert exported.server.times == expected
    assert exported.server.bulks == [[1]] * len(expected)


async def test_first_wait_after_a_success():
    """After a success the waits begin at 2 s again."""
    async with Exported() as exported:
        exported.server.status = 503
        await exported.write(1, 2)
        await exported.until(5)
        exported.server.status = 200
        await exported.until(6)
        exported.server.status = 503
        await exported.write(3)
        await exported.until(9)

    assert exported.server.times == [0, 2, 6, 6, 6, 8]
    assert exported.server.bulks == [[1], [1], [1], [2], [3], [3]]


async def test_periodic_flush_recovers():
    """What the periodic flush got through isn't sent again; the next record waits."""
    async with Exported(BULK_DELAY=1) as exported:
        exported.server.status = 503
        await exported.write(1)
        await exported.until(2.5)
        exported.server.status = 200
        await exported.write(2)
        await exported.until(5.5)
        recovered = exported.exporting.positions
        await exported.until(6)

    assert exported.server.bulks == [[1], [1], [1], [1], [1], [2]]
    assert exported.server.times == [0, 1, 2, 2, 3, 6]
    assert recovered == {"x": 1}
    assert exported.exporting.positions == {"x": 2}


@pytest.mark.parametrize("version, expected", [("8.6.0", [1, 1]), ("8.7.0", [1, 2])])
async def test_sequence_after_a_periodic_flush(version, expected):
    """Up to 8.6, a record gets the sequence of one that the periodic flush sent."""
    async with Exported(version, BULK_DELAY=1) as exported:
        exported.server.gate.clear()
        await exported.write(1)
        exported.server.status = 503
        await exported.settle()
        exported.server.gate.set()
        await exported.settle()
        exported.server.status = 200
        await exported.write(2)
        await exported.until(2)

    assert exported.server.sequences[1:] == expected


async def test_one_after_another():
    """No exporter gets a record before the one in front of it has it."""
    async with Exported("8.6.0", "first", "second") as exported:
        first, second = exported.servers.values()
        first.gate.clear()
        await exported.write(1, 2)
        while_it_hangs = list(second.bulks)
        first.status = 503
        first.gate.set()
        await exported.settle()
        await exported.until(2)
        while_it_refuses = list(second.bulks)
        first.status = 200
        await exported.until(6)

    assert while_it_hangs == while_it_refuses == []
    assert first.bulks == [[1], [1], [1], [2]]
    assert second.bulks == [[1], [2]]


async def test_second_exporter_fails():
    """A record that one exporter has isn't sent to it again when another one fails."""
    async with Exported("8.6.0", "first", "second") as exported:
        first, second = exported.servers.values()
        second.status = 503
        await exported.write(1, 2)
        await exported.until(4)

    assert (first.bulks, second.bulks) == ([[1]], [[1], [1]])


async def test_startup_begins_again():
    """When one of the first requests fails all of them are repeated."""
    async with Exported(INDEX_CREATETEMPLATE="true") as exported:
        exported.server.refused = "/zeebe-record*/_settings"
        await exported.write(1)
        refused = len(exported.server.asked)
        exported.server.refused = "nothing"
        await exported.until(2)
        await exported.write(2)

    paths = [path for _, path, _ in exported.server.asked]
    assert refused == 33
    assert paths == paths[:refused] * 2 + ["/_bulk"] * 2


async def test_bulk_size():
    """A bulk is sent when it has enough records, or when `bulk.delay` is over."""
    async with Exported(BULK_SIZE=3, BULK_DELAY=5) as exported:
        await exported.write(1, 2, 3, 4)
        await exported.until(4.5)
        early = dict(exported.exporting.positions)
        await exported.until(5)

    assert exported.server.bulks == [[1, 2, 3], [4]]
    assert early == {"x": 3}
    assert exported.exporting.positions == {"x": 4}


async def test_refused_flush():
    """A periodic flush that fails acknowledges nothing, and is repeated."""
    async with Exported(BULK_SIZE=3, BULK_DELAY=5) as exported:
        exported.server.status = 503
        await exported.write(1)
        await exported.until(5)
        refused = dict(exported.exporting.positions)
        exported.server.status = 200
        await exported.until(10)

    assert (refused, exported.exporting.positions) == ({"x": -1}, {"x": 1})
    assert exported.server.times == [5, 10]


@pytest.mark.parametrize(
    "version, bulks", [("8.8.0", [[1, 2, 3]]), ("8.9.0", [[1, 2], [3]])]
)
async def test_bulk_memory(version, bulks):
    """Up to 8.8 a bulk exceeds the memory limit by a record; later it is split."""
    changes = {"value": {"filler": "x" * 400}}
    limit = {"BULK_SIZE": 100, "BULK_MEMORYLIMIT": 2000}
    async with Exported(version, **limit) as exported:
        await exported.write(1, 2, 3, brokerVersion=version, **changes)

    assert exported.server.bulks == bulks


async def test_skipped_records():
    """What isn't sent is acknowledged by the next periodic flush."""
    async with Exported(BULK_DELAY=5) as exported:
        await exported.write(1)
        await exported.write(2, valueType="PROCESS_EVENT")
        early = dict(exported.exporting.positions)
        await exported.until(5)

    assert (early, exported.exporting.positions) == ({"x": 1}, {"x": 2})
    assert exported.exporting.exported == {"x": 2}
    assert exported.server.bulks == [[1]]


async def test_restart():
    """A restart exports what came after the snapshot, with the numbers it had then."""
    async with Exported() as before:
        await before.write(1, 2)
        snapshot = before.exporting.snapshot()
        await before.write(3)
    async with Exported(snapshot=snapshot, log=(1, 2, 3, 4)) as exported:
        await exported.settle()
    async with Exported(log=(1, 2, 3)) as from_nothing:
        await from_nothing.settle()

    assert exported.server.bulks == [[3], [4]]
    assert exported.server.sequences == [3, 4]
    assert from_nothing.server.bulks == [[1], [2], [3]]


async def test_new_exporter():
    """An exporter with another id begins at the beginning of the log."""
    async with Exported("8.6.0", "old", log=(1, 2)) as before:
        await before.settle()
        snapshot = before.exporting.snapshot()
    async with Exported(
        "8.6.0", "old", "zz", snapshot=snapshot, log=(1, 2, 3)
    ) as exported:
        await exported.settle()

    old, new = exported.servers.values()
    assert (old.bulks, new.bulks) == ([[3]], [[1], [2], [3]])


async def test_pause():
    """While exporting is paused nothing is sent; then it continues where it was."""
    async with Exported() as exported:
        exported.exporting.pause()
        await exported.write(1)
        paused = list(exported.server.bulks)
        exported.exporting.resume()
        await exported.settle()

    assert (paused, exported.server.bulks) == ([], [[1]])


async def test_disabled():
    """A disabled exporter gets nothing, and once enabled only what is new."""
    async with Exported("8.6.0", "a", "b") as exported:
        first, second = exported.servers.values()
        first.status = 503
        await exported.write(1)
        exported.exporting.disable("a")
        first.status = 200
        await exported.write(2)
        await exported.until(2)
        exported.exporting.enable("a")
        await exported.write(3)

    assert second.bulks == [[1], [2], [3]]
    assert first.bulks == [[1], [1], [3]]


async def test_enabled_alone():
    """In 8.6.0 the only exporter, enabled after the start, gets nothing (measured)."""
    states = {"states": {"x": "DISABLED"}}
    async with (
        Exported("8.6.0", snapshot=states) as old,
        Exported("8.8.0", snapshot=states) as new,
    ):
        for each in (old, new):
            each.exporting.enable("x")
            await each.write(1)

    assert (old.server.bulks, new.server.bulks) == ([], [[1]])


@pytest.mark.parametrize(
    "version, before, after",
    [
        ("8.6.0", "ENABLED", "DISABLED"),
        ("8.7.11", "ENABLED", "DISABLED"),
        ("8.7.12", "ENABLED", "CONFIG_NOT_FOUND"),
        ("8.10.0", "ENABLED", "CONFIG_NOT_FOUND"),
        ("8.10.0", "CONFIG_NOT_FOUND", "CONFIG_NOT_FOUND"),
        ("8.10.0", "DISABLED", "DISABLED"),
    ],
)
async def test_without_variables(version, before, after):
    """An exporter without variables holds up the log or is disabled, by version."""
    kept = {"exporters": {"gone": {"position": 7}}, "states": {"gone": before}}
    exporting = Exported(version, snapshot=kept).exporting

    assert exporting.states() == {"gone": after, "x": "ENABLED"}
    assert ("gone" in exporting.snapshot()["exporters"]) == (after[0] == "C")


async def test_deleted():
    """Only an exporter without variables can be deleted, and not be enabled."""
    exporting = Exported("8.8.0", snapshot={"states": {"gone": "ENABLED"}}).exporting

    with pytest.raises(ChangeRefusedError):
        exporting.enable("gone")
    with pytest.raises(ChangeRefusedError):
        exporting.delete("x")
    exporting.delete("gone")
    assert exporting.states() == {"x": "ENABLED"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://127.0.0.1:9/path"])
async def test_wrong_url(caplog, url):
    """A URL with a path exports nothing; one line of the log says so."""
    with caplog.at_level(logging.ERROR):
        async with Exported(URL=url) as exported:
            await exported.write(1)
            await exported.until(10)

    assert exported.server.asked == []
    assert caplog.messages == [f"Invalid HTTP host: {url}"]
