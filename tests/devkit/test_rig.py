"""The parts of the test rig work as tests expect."""

import asyncio
import gc
import json
import signal
import socket
import sys

import aiohttp
import pytest

from devkit.backend import (
    HANG,
    HANG_UP,
    LOST,
    RESET,
    Answer,
    Backend,
    Request,
    Stub,
    begun,
)
from devkit.clock import Clock
from devkit.metrics import read
from devkit.processes import Exporter, Process, StartError, free_port
from devkit.proxy import NONSENSE, Cut, Proxy
from devkit.recorder import Recorder
from devkit.waiting import eventually
from tests.records import a_record, bulk, tasks


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
        backend.answer = 503
        await post(client, backend.url, 11, status=503)

    first, second = backend.requests
    arrival = await backend.news.get()
    assert backend.positions == [7, 9]
    assert backend.accepted == [first]
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
    "answer, accepted",
    [
        (RESET, []),
        (HANG_UP, []),
        (HANG, []),
        (LOST, [1]),
        (Answer(200, raw=[b"HTTP/1.1 200 OK\r\nConte"], end="reset"), [1]),
        (Answer(200, raw=begun(200, b"half of "), end="reset"), [1]),
        (Answer(503, raw=begun(503)), []),
    ],
)
async def test_faults(client, answer, accepted):
    """The planned status decides whether events are accepted, even if it isn't sent."""
    async with Backend(answer) as backend:
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            async with asyncio.timeout(0.3):
                await post(client, backend.url, 1, status=answer.status)

        assert backend.positions == accepted


async def test_a_backend_comes_back(client):
    """A backend listens on the same port after `down` and `up`."""
    async with Backend() as backend:
        await backend.down()
        with pytest.raises(aiohttp.ClientConnectorError):
            await post(client, backend.url, 1)
        await backend.up()
        await post(client, backend.url, 2)

    assert backend.positions == [2]


async def test_requests_are_held(client):
    """Held requests are answered when the event is set."""
    async with Backend() as backend:
        gate = backend.hold(202)
        held = asyncio.create_task(post(client, backend.url, 1, status=202))
        await eventually(lambda: backend.requests)
        early = held.done()
        gate.set()
        await held

    assert not early


async def test_events_without_identities(client):
    """A batch without an id for each event is an error, and nothing is accepted."""
    async with Backend() as backend:
        batch = {"json": {"events": [{}, {}]}, "headers": {"X-Event-Ids": "1-1-1"}}
        async with client.post(backend.url, **batch) as answer:
            assert answer.status == 500

    assert backend.accepted == backend.positions == []


async def test_strays(client):
    """A request for another path gets 404, and is recorded as a stray."""
    async with Backend() as backend:
        await post(client, f"{backend.url}/else", 1, status=404)

    assert [request.path for request in backend.strays] == ["/events/else"]
    assert backend.requests == backend.arrivals == []


async def test_answers_for_threads():
    """A handler in another thread gets the planned answer."""
    backend = Backend()
    respond = backend.from_threads()
    request = Request("POST", "/events", {"X-Event-Ids": "1-5-9"}, b'{"events":[{}]}')

    answer = await asyncio.to_thread(respond, request)

    assert answer.status == 200
    assert backend.positions == [5]


async def test_a_recorder(client):
    """A recorder accepts everything, and returns the records of an instance."""
    async with Recorder() as recorder:
        body = bulk(a_record(1), a_record(2, value={"processInstanceKey": 5}))
        async with client.put(f"{recorder.url}/_index_template/x", data="{}") as answer:
            assert await answer.json() == {"acknowledged": True}
        async with client.post(f"{recorder.url}/_bulk", data=body) as answer:
            assert not (await answer.json())["errors"]

    assert [each["position"] for each in recorder.of("5", "CREATED")] == [2]
    assert recorder.of("5", "ASSIGNED") == []


async def test_an_exporter(tmp_path, client):
    """An exporter delivers, shows its metrics, and can start again after a kill."""
    async with Backend() as backend, Exporter(tmp_path, backend.url) as exporter:
        await exporter.run()
        for position in (1, 2):
            bulk_url = f"{exporter.ingest_url}/_bulk"
            async with client.post(bulk_url, data=tasks(position)) as answer:
                assert answer.status == 200
            await eventually(lambda n=position: backend.positions[-1:] == [n])
            exporter.kill()
            assert await exporter.metrics() == {}
            await exporter.run()

        assert (await exporter.metrics())["spool_dead_letters"] == 0
        assert len(exporter.saying("ready")) == 1
        assert await exporter.stop() == 0


async def test_a_process_that_ends_at_once(tmp_path):
    """A process that ends early fails with the end of its log."""
    command = [sys.executable, "-c", "print('hello'); raise SystemExit(3)"]
    process = Process(command, log=tmp_path / "log")

    with pytest.raises(StartError, match=r"(?s)ended with status 3\..*hello"):
        await process.start(f"http://127.0.0.1:{free_port()}")


async def test_a_process_that_hangs(tmp_path):
    """A process that accepts connections but never answers is killed in time."""
    process = Process(["/bin/sleep", "60"], log=tmp_path / "log")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with asyncio.timeout(5):
            with pytest.raises(StartError, match=r"wasn't ready after 0\.2 seconds"):
                await process.start(url, within=0.2)

    assert process.status == -signal.SIGKILL


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


async def test_a_proxy_answers_nonsense():
    """A proxy can send an invalid answer of its own."""
    async with Proxy() as proxy:
        proxy.answer = NONSENSE
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")

        assert await reader.read() == NONSENSE
        writer.close()


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("kind", [Proxy, Stub])
async def test_a_server_that_ends_while_it_accepts(kind, turns):
    """`close` also closes connections that were just accepted."""
    server = kind()
    await server.up()
    with socket.create_connection(("127.0.0.1", server.port)):
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.down()
    del server
    gc.collect()  # a connection left open is an error here


async def test_an_http_proxy(client):
    """A plain request through an HTTP proxy reaches the target under any host name."""
    async with Stub(200) as stub, Proxy(stub.port, http=True) as proxy:
        at = f"http://127.0.0.1:{proxy.port}"
        async with client.get("http://backend.example/path", proxy=at) as answer:
            assert answer.status == 200

    assert [request.path for request in stub.requests] == ["/path"]
    assert proxy.heads[0].startswith("GET http://backend.example/path HTTP/1.1\r\n")


async def test_a_port_is_held(client):
    """A free port is reserved, and a server can listen there."""
    port = free_port()

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    async with Stub(200, port=port) as stub, client.get(stub.url) as answer:
        assert answer.status == 200


def test_a_clock():
    """A clock only moves by its step at each call."""
    still, stepping = Clock(5.0), Clock(step=0.5)

    still.seconds += 1

    assert [still(), still()] == [6.0, 6.0]
    assert stepping() < stepping()


def test_metrics():
    """A metric's name has no prefix, but labels; a single backend has no name."""
    prefix = "# TYPE x counter\napp_integrations_exporter_"
    scraped = f'{prefix}x_total{{backend="default",outcome="delivered"}} 3\n'

    assert read(scraped) == {"x_total delivered": 3.0}
    assert json.dumps(read("")) == "{}"
