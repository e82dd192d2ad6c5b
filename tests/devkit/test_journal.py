"""What a broker keeps outlives kills, and damage to it is said in one sentence."""

import resource

import pytest

from devkit.broker import Broker
from devkit.client import Client, CommandError
from devkit.journal import Journal
from devkit.stories import RECORDINGS, CannotStartError, recording

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]
PARTITIONS = "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT"


async def lived(data, count, environ=None, version="8.9.0"):
    """Let a broker create *count* instances; return all records of its log."""
    async with Broker(version, environ, data=data) as broker:
        async with Client(broker.rest_url) as client:
            await client.deploy(FILES)
            for _ in range(count):
                await client.create_instance("fx-ext")
        broker.take_snapshot()
        return broker.partition(1).log.records


async def test_half_a_line(tmp_path):
    """The entry that a kill cut off is gone, and those before and after it aren't."""
    before = await lived(tmp_path, 2)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"at": ["defau')

    after = await lived(tmp_path, 1)
    again = await lived(tmp_path, 0)

    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert again == after


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("journal.jsonl", "{}\n", "another format"),
        ("journal.jsonl", "5\n", "Line 1 of .* is damaged"),
        ("journal.jsonl", "{\n{}\n", "Line 1 of .* is damaged"),
        ("snapshot.json", '{"default/1": {"exp', "snapshot.json is damaged"),
        ("snapshot.json", "[1]", "snapshot.json is damaged"),
        ("snapshot.json", '{"default/1": 5}', "snapshot.json is damaged"),
    ],
)
async def test_damage(tmp_path, name, content, sentence):
    """A broker doesn't go on with what it can't read."""
    (tmp_path / name).write_text(content, "utf-8")

    with pytest.raises(CannotStartError, match=sentence):
        await lived(tmp_path, 0)


async def test_another_broker(tmp_path):
    """A directory is for one broker at a time, of one recording and its partitions."""
    await lived(tmp_path, 2, {PARTITIONS: "2"})
    async with Broker("8.9.0", {PARTITIONS: "2"}, data=tmp_path):
        with pytest.raises(CannotStartError, match="Another broker uses"):
            await lived(tmp_path, 0, {PARTITIONS: "2"})

    with pytest.raises(CannotStartError, match=r"recordings of 8\.9\.0, and 8\.8\.21"):
        await lived(tmp_path, 0, {PARTITIONS: "2"}, "8.8.21")
    with pytest.raises(CannotStartError, match="a partition 2 of default"):
        await lived(tmp_path, 0)
    assert await lived(tmp_path, 0, {PARTITIONS: "2"})


def test_an_entry_that_fails(tmp_path):
    """An entry that can't be played isn't kept."""
    journal = Journal(tmp_path / "journal")
    with journal.with_entry({"number": 1}):
        pass
    with pytest.raises(KeyError), journal.with_entry({"number": 2}):
        raise KeyError

    assert [dict(each) for each in journal.entries()] == [{"number": 1}]
    journal.close()


async def test_a_full_disk(tmp_path, monkeypatch):
    """A command that can't be kept is answered with the reason, and does nothing."""
    monkeypatch.setattr("devkit.client.ATTEMPTS", 1)
    async with Broker("8.9.0", data=tmp_path) as broker, Client(broker.rest_url) as it:
        await it.deploy(FILES)
        records = list(broker.partition(1).log.records)
        before = (tmp_path / "journal.jsonl").stat().st_size
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (before + 10, limits[1]))
        try:
            with pytest.raises(CommandError, match=r"503 .*File too large"):
                await it.create_instance("fx-ext")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

        assert broker.partition(1).log.records == records
        assert (tmp_path / "journal.jsonl").stat().st_size == before


async def test_a_snapshot_that_fails(tmp_path):
    """A snapshot that can't be kept isn't one."""
    async with Broker("8.9.0", data=tmp_path / "data") as broker:
        (tmp_path / "data").rename(tmp_path / "gone")
        with pytest.raises(FileNotFoundError):
            broker.take_snapshot()

        assert broker.snapshot == {}
