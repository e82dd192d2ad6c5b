"""A broker of the recorded engine: its ports, its state, and its start."""

import asyncio
import os
import sys

import pytest

from devkit.broker import Broker, with_values
from devkit.client import Client, CommandError
from devkit.cluster import SHARED
from devkit.processes import Process
from devkit.stories import RECORDINGS, CannotStartError, recording

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]
PARTITIONS = "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT"
CONTACTS = "CAMUNDA_CLUSTER_INITIALCONTACTPOINTS"


async def started(broker):
    """Start an instance with a user task."""
    async with Client(broker.rest_url) as client:
        await client.deploy(FILES)
        await client.create_instance("fx-ext")


def test_placeholders():
    """`${NAME}` in a value is replaced by that variable, or by its default."""
    given = {"A": "${B}${C:no}${D}", "B": "yes"}

    assert with_values(given) == {"A": "yesno${D}", "B": "yes"}


@pytest.mark.parametrize(
    "command, body, reason",
    [
        ("POST process-instances", b"{", "isn't JSON"),
        ("POST process-instances", b"[]", "isn't an object"),
        ("POST process-instances", b'{"processDefinitionId":null}', "Id is missing"),
        ("POST process-instances", b'{"processDefinitionId":"x"}', "No process x"),
        ("POST user-tasks/-1/completion", b"{}", "Not Found"),
        ("PATCH user-tasks/1", b'{"changeset":{"nope":1}}', "A user task only has"),
        ("POST jobs/activation", b'{"type":"x"}', "ToActivate, timeout is missing"),
    ],
)
async def test_refused_commands(command, body, reason):
    """A refused command is answered with the reason."""
    async with Broker() as broker, Client(broker.rest_url) as client:
        await started(broker)
        before = len(broker.partition(1).log.records)
        with pytest.raises(CommandError, match=reason):
            await client.ask(*command.split(), data=body)

        assert len(broker.partition(1).log.records) == before


async def test_half_a_line(tmp_path):
    """An entry that a kill cut short is dropped; the other entries remain."""
    logs = []
    for count in (2, 1, 0):
        async with Broker(data=tmp_path) as broker:
            for _ in range(count):
                await started(broker)
            logs.append(broker.partition(1).log.records)
        with (tmp_path / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"at": ["defau')

    assert logs[1][: len(logs[0])] == logs[0]
    assert len(logs[1]) > len(logs[0])
    assert logs[2] == logs[1]


async def test_a_directory_of_another_broker(tmp_path):
    """A directory works with one recording and one count of partitions."""
    two = {PARTITIONS: "2"}
    async with Broker("8.9.0", two, data=tmp_path) as broker:
        await started(broker)
        await started(broker)

    for version, given, reason in (
        ("8.8.21", two, r"recordings of 8\.9\.0 in"),
        ("8.9.0", {}, "partition 2 of default"),
    ):
        with pytest.raises(CannotStartError, match=reason):
            await Broker(version, given, data=tmp_path).__aenter__()


async def test_exporting_that_fails(monkeypatch):
    """A broker whose main task fails ends at once, and raises the error."""

    async def run(_: object) -> None:
        raise OverflowError("too large")

    monkeypatch.setattr("devkit.exporting.Exporting.run", run)
    with pytest.raises(ExceptionGroup) as raised:
        async with Broker() as broker:
            await asyncio.wait([broker.working])

    assert str(raised.value.exceptions[0]) == "too large"


@pytest.mark.parametrize(
    "options, variables, words",
    [
        (("--recordings", "/nowhere"), {}, "no recording in /nowhere"),
        ((), {CONTACTS: "a,b"}, SHARED),
    ],
)
async def test_a_process_that_cannot_start(tmp_path, options, variables, words):
    """`python -m devkit` that can't start prints one line and ends with 1."""
    async with process(tmp_path, *options, **variables) as run:
        run.spawn()

        assert await run.ended() == 1
    assert run.text.count("\n") == 1
    assert words in run.text


def process(directory, *options, **variables):
    """Return `python -m devkit`, by default on free ports."""
    ports = {"SERVER_PORT": "0", "MANAGEMENT_SERVER_PORT": "0"}
    command = [sys.executable, "-m", "devkit", *options]
    environment = os.environ | ports | variables
    return Process(command, log=directory / "log", environment=environment)
