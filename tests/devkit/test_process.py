"""`python -m devkit` starts, or says in one sentence why it doesn't."""

import asyncio
import os
import signal
import socket
import sys

import pytest

from devkit.client import Client
from devkit.processes import ROOT, free_port
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]
CONTACTS = "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS"


@pytest.fixture
async def run():
    """Return what starts the process, on ports that are free unless others are set."""
    started = []

    async def start(*options, **variables):
        ports = {"SERVER_PORT": "0", "MANAGEMENT_SERVER_PORT": "0"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "devkit", *map(str, options)),
            cwd=ROOT,
            env=os.environ | ports | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_starts_and_ends(run):
    """It says what it plays, and ends when it is asked to."""
    process = await run("--version", "8.10.9")
    said = await asyncio.wait_for(process.stdout.readline(), 20)
    process.terminate()

    assert b"plays records of 8.9.0 as 8.10.9 exports them" in said
    assert await process.wait() == 0


@pytest.mark.parametrize(
    "options, variables, sentence",
    [
        ((), {"SERVER_PORT": "x"}, "'x', which is not a port"),
        ((), {"SERVER_PORT": "99999"}, "'99999', which is not a port"),
        ((), {"ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT": "0"}, "'0', not from 1 to"),
        ((), {"CAMUNDA_CLUSTER_PARTITIONCOUNT": "some"}, "'some', not from 1 to"),
        ((), {CONTACTS: "a,b", "CAMUNDA_CLUSTER_NODEID": "2"}, "'2', not from 0 to 1"),
        ((), {CONTACTS: "a:b"}, "'a:b' aren't hosts with their ports"),
        ((), {"MANAGEMENT_SERVER_BASEPATH": "below"}, "'below' is no path"),
        (("--data", sys.executable), {}, "File exists"),
        (("--data", "/proc/nowhere"), {}, "No such file"),
        (("--recordings", "/nowhere"), {}, "no recording in /nowhere"),
        (("--recordings", ROOT / "tests/devkit/data"), {}, "no recording in"),
        (("--version", "8.1.0"), {}, "no recording of 8.1.0"),
    ],
)
async def test_it_does_not_start(run, options, variables, sentence):
    """The exit status is 1, and there is one line on standard error."""
    process = await run(*options, **variables)
    output, errors = await asyncio.wait_for(process.communicate(), 30)

    assert (process.returncode, output) == (1, b"")
    assert errors.count(b"\n") == 1
    assert sentence in errors.decode()


async def test_a_port_is_taken(run):
    """It doesn't start where another server has its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = await run(SERVER_PORT=str(server.getsockname()[1]))
        _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert errors.count(b"\n") == 1
    assert b"already in use" in errors


async def test_killed_under_commands(run, tmp_path):
    """After a kill, everything is there that was answered, and nothing is renamed."""
    port, answered = free_port(), []
    variables = {"SERVER_PORT": str(port)}

    async def create(client):
        while True:
            started = await client.create_instance("fx-ext")
            answered.append(started["processInstanceKey"])

    async with Client(f"http://127.0.0.1:{port}") as client:
        process = await run("--data", tmp_path, **variables)
        await asyncio.wait_for(process.stdout.readline(), 20)
        await client.deploy(FILES)
        busy = [asyncio.create_task(create(client)) for _ in range(4)]
        await eventually(lambda: len(answered) > 50)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.gather(*busy, return_exceptions=True)
        process = await run("--data", tmp_path, **variables)
        await asyncio.wait_for(process.stdout.readline(), 20)
        for each in answered:
            body = {"filter": {"processInstanceKey": each}}
            found = await client.ask("POST", "user-tasks/search", json=body)
            assert [x["processInstanceKey"] for x in found["items"]] == [each]
        started = await client.create_instance("fx-ext")

    assert started["processInstanceKey"] not in answered
    assert len(set(answered)) == len(answered)
