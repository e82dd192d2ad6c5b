"""`python -m devkit` starts, or prints one line with the reason."""

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack

import pytest

from devkit.client import Client
from devkit.processes import LOOPBACK, ROOT, Process, free_port
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-invoice"]
CONTACTS = "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS"


@pytest.fixture
async def run(tmp_path):
    """Return a function that starts the process, by default on free ports."""
    async with AsyncExitStack() as stack:

        async def start(*options, **variables):
            ports = {"SERVER_PORT": "0", "MANAGEMENT_SERVER_PORT": "0"}
            process = Process(
                [sys.executable, "-m", "devkit", *map(str, options)],
                log=tmp_path / "log",
                environment=os.environ | ports | variables,
            )
            await stack.enter_async_context(process)
            process.spawn()
            return process

        yield start


async def runs(process):
    """Return the first line of the running *process*."""
    return await eventually(lambda: "\n" in process.text and process.text, within=20)


async def test_it_starts_and_ends(run):
    """The process shows its versions, and ends on SIGTERM."""
    process = await run("--version", "8.10.9")

    assert "plays records of 8.9.0 as 8.10.9 exports them" in await runs(process)
    assert await process.stop() == 0


@pytest.mark.parametrize(
    "options, variables, words",
    [
        ((), {"SERVER_PORT": "x"}, "SERVER_PORT is 'x'"),
        ((), {"SERVER_PORT": "99999"}, "SERVER_PORT is '99999'"),
        ((), {"ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT": "0"}, "COUNT is '0'"),
        ((), {"CAMUNDA_CLUSTER_PARTITIONCOUNT": "some"}, "COUNT is 'some'"),
        ((), {CONTACTS: "a,b", "CAMUNDA_CLUSTER_NODEID": "2"}, "NODEID is '2'"),
        ((), {CONTACTS: "a,b"}, "RECORDED_ENGINE_SHARED"),
        ((), {"MANAGEMENT_SERVER_BASEPATH": "below"}, "path should be started with /"),
        (("--data", sys.executable), {}, "File exists"),
        (("--data", "/proc/nowhere"), {}, "No such file"),
        (("--recordings", "/nowhere"), {}, "no recording in /nowhere"),
        (("--recordings", ROOT / "tests/data/events"), {}, "can't run"),
        (("--version", "8.1.0"), {}, "no recording of 8.1.0"),
    ],
)
async def test_it_does_not_start(run, options, variables, words):
    """A start that fails prints one line and ends with 1."""
    process = await run(*options, **variables)

    assert await process.ended() == 1
    assert process.text.count("\n") == 1
    assert words in process.text


async def test_a_port_is_taken(run):
    """The process doesn't start if its port is in use."""
    with socket.create_server((LOOPBACK, 0)) as server:
        process = await run(SERVER_PORT=str(server.getsockname()[1]))
        assert await process.ended() == 1

    assert process.text.count("\n") == 1
    assert "already in use" in process.text


async def test_killed_under_commands(run, tmp_path):
    """After a kill, all answered commands remain, with the same keys."""
    port, answered = free_port(), []
    variables = {"SERVER_PORT": str(port)}

    async def create(client):
        while True:
            started = await client.create_instance("fx-invoice")
            answered.append(started["processInstanceKey"])

    async with Client(f"http://{LOOPBACK}:{port}") as client:
        process = await run("--data", tmp_path, **variables)
        await runs(process)
        await client.deploy(FILES)
        busy = [asyncio.create_task(create(client)) for _ in range(4)]
        await eventually(lambda: len(answered) > 50)
        process.kill()
        await asyncio.gather(*busy, return_exceptions=True)
        process = await run("--data", tmp_path, **variables)
        await runs(process)
        for each in answered:
            path = f"process-instances/{each}/cancellation"
            await client.ask("POST", path, json={})
        started = await client.create_instance("fx-invoice")

    assert started["processInstanceKey"] not in answered
    assert len(set(answered)) == len(answered)
