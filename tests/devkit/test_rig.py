"""The parts of the test rig work as tests expect."""

import asyncio
import gc
import os
import socket
import sys
from contextlib import suppress

import aiohttp
import psutil
import pytest

from devkit.backend import HANG, HANG_UP, LOST, RESET, Answer, Backend, Stub, begun
from devkit.processes import Process, StartError, free_port
from devkit.proxy import Cut, Proxy
from devkit.waiting import eventually


@pytest.fixture
async def client():
    """Return an HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def post(client, url, *positions, status=200):
    """Post a batch of events like the exporter, and return the answer's body."""
    batch = {"events": [{"position": position} for position in positions]}
    ids = ",".join(f"1-{position}-1800000000500" for position in positions)
    async with client.post(url, json=batch, headers={"X-Event-Ids": ids}) as answer:
        assert answer.status == status
        return await answer.read()


async def test_a_backend_remembers(client):
    """A backend records accepted events and all requests with their times."""
    async with Backend() as backend:
        await post(client, backend.url, 7, 9)
        await post(client, f"{backend.url}/else", 1, status=404)
        backend.answer = 503
        await post(client, backend.url, 11, status=503)

    first, second = backend.requests
    arrival = await backend.news.get()
    assert backend.positions == [7, 9]
    assert backend.accepted == [first]
    assert [request.path for request in backend.strays] == ["/events/else"]
    assert (first.status, second.status) == (200, 503)
    assert second.positions == [11]
    assert (arrival.position, arrival.written) == (7, 1_800_000_000.5)
    assert arrival.at == first.at > 1_700_000_000


async def test_a_rule_may_wait(client):
    """A rule answers each request and may wait, even if the client disconnects."""
    gate, gone = asyncio.Event(), []

    async def rule(request):
        try:
            if request.positions != [2]:
                await gate.wait()
        except asyncio.CancelledError:
            gone.append(request)
            raise
        return Answer(202, {"X-Said": "yes"}, b"thanks")

    async with Backend(rule) as backend:
        waiting = asyncio.create_task(post(client, backend.url, 1, status=202))
        impatient = asyncio.create_task(post(client, backend.url, 3))
        assert await post(client, backend.url, 2, status=202) == b"thanks"
        await eventually(lambda: len(backend.requests) == 3)
        impatient.cancel()
        await eventually(lambda: gone)
        gate.set()
        await waiting

    assert backend.positions == [2, 1]
    assert [(each.positions, each.status) for each in gone] == [([3], None)]


@pytest.mark.parametrize(
    "answer, accepted, hangs",
    [
        (RESET, [], False),
        (HANG_UP, [], False),
        (HANG, [], True),
        (LOST, [1], False),
        (Answer(200, raw=[b"HTTP/1.1 200 OK\r\nConte"], end="reset"), [1], False),
        (Answer(200, raw=begun(200, b"half of "), end="reset"), [1], False),
        (Answer(503, raw=begun(503)), [], True),
    ],
)
async def test_faults(client, answer, accepted, hangs):
    """The planned status decides whether events are accepted, even if it isn't sent."""
    error, patience = (TimeoutError, 0.3) if hangs else (aiohttp.ClientError, 30)
    async with Backend(answer) as backend:
        with pytest.raises(error):
            async with asyncio.timeout(patience):
                await post(client, backend.url, 1, status=answer.status)

        assert backend.positions == accepted


async def test_events_without_identities(client):
    """A batch without an id for each event is an error, and nothing is accepted."""
    async with Backend() as backend:
        batch = {"json": {"events": [{}, {}]}, "headers": {"X-Event-Ids": "1-1-1"}}
        async with client.post(backend.url, **batch) as answer:
            assert answer.status == 500

    assert backend.accepted == backend.positions == []


async def test_a_process_that_ends_at_once(tmp_path):
    """A process that ends early fails with the end of its log."""
    command = [sys.executable, "-c", "print('hello'); raise SystemExit(3)"]
    process = Process(command, log=tmp_path / "log")

    with pytest.raises(StartError, match=r"(?s)ended with status 3\..*hello"):
        await process.start(f"http://127.0.0.1:{free_port()}")


async def test_a_process_that_hangs(tmp_path):
    """The start of a process that accepts connections but never answers fails."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with Process(["/bin/sleep", "60"], log=tmp_path / "log") as process:
            with pytest.raises(StartError, match=r"wasn't ready after 0\.2 seconds"):
                await process.start(url, within=0.2)


BUSY = """
import subprocess
for _ in range(200):
    subprocess.Popen(["sleep", "30"])
"""


async def test_a_session_that_grows(tmp_path):
    """Processes that start during the kill are killed, too."""
    process = Process([sys.executable, "-c", BUSY], log=tmp_path / "log")
    process.spawn()
    await eventually(lambda: len(members(process.pid)) > 10)

    process.kill()

    await eventually(lambda: not members(process.pid))


def members(session):
    """Return the running processes of a session."""
    found = []
    for each in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            alive = each.info["status"] != psutil.STATUS_ZOMBIE
            found += [each] if alive and os.getsid(each.pid) == session else []
    return found


async def test_a_proxy_cuts(client):
    """A connection is cut at the planned byte; other connections are complete."""
    cuts = iter([Cut(upwards=True, after=10), Cut(upwards=False, after=10), None])
    async with Backend() as backend, Proxy(backend.port, next_cut=cuts.__next__) as it:
        url = f"http://127.0.0.1:{it.port}/events"
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await post(client, url, 1)
        await post(client, url, 2)
        assert it.cuts == 2

    assert backend.positions == [1, 2]


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("kind", [Proxy, Stub])
async def test_a_server_that_ends_while_it_accepts(kind, turns):
    """A server also closes connections that were just accepted."""
    server = kind()
    await server.up()
    with socket.create_connection(("127.0.0.1", server.port)):
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.down()
    del server
    gc.collect()  # a connection left open is an error here
