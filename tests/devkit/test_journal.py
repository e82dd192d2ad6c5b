"""A broker's state survives kills, and only one broker can use it at a time."""

import pytest

from devkit.broker import Broker
from devkit.client import Client
from devkit.stories import RECORDINGS, CannotStartError, recording

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]
PARTITIONS = "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT"


async def lived(data, count, environ=None, version="8.9.0"):
    """Create *count* instances in a broker; return all records of its log."""
    async with Broker(version, environ, data=data) as broker:
        async with Client(broker.rest_url) as client:
            await client.deploy(FILES)
            for _ in range(count):
                await client.create_instance("fx-ext")
        broker.take_snapshot()
        return broker.partition(1).log.records


async def test_half_a_line(tmp_path):
    """An entry that a kill cut short is dropped; the other entries remain."""
    before = await lived(tmp_path, 2)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"at": ["defau')

    after = await lived(tmp_path, 1)
    again = await lived(tmp_path, 0)

    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert again == after


async def test_another_broker(tmp_path):
    """A directory works for one broker at a time, with one recording and count."""
    await lived(tmp_path, 2, {PARTITIONS: "2"})
    async with Broker("8.9.0", {PARTITIONS: "2"}, data=tmp_path):
        with pytest.raises(CannotStartError, match="Another broker uses"):
            await lived(tmp_path, 0, {PARTITIONS: "2"})

    with pytest.raises(CannotStartError, match=r"recordings of 8\.9\.0 in"):
        await lived(tmp_path, 0, {PARTITIONS: "2"}, "8.8.21")
    with pytest.raises(CannotStartError, match="partition 2 of default"):
        await lived(tmp_path, 0)
    assert await lived(tmp_path, 0, {PARTITIONS: "2"})


async def test_a_snapshot_that_fails(tmp_path):
    """A snapshot that can't be stored has no effect."""
    async with Broker("8.9.0", data=tmp_path / "data") as broker:
        (tmp_path / "data").rename(tmp_path / "gone")
        with pytest.raises(FileNotFoundError):
            broker.take_snapshot()

        assert broker.snapshot == {}
