"""A stop ends in order: first requests under way, then the events that wait."""

import asyncio
import signal

import pytest

from devkit.waiting import eventually
from exporter import service
from tests.records import KEY, tasks
from tests.service.running import send
from tests.service.wire import connected, refusal, refuses

LONG = {"shutdown_timeout_ms": 60_000}
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def instance(number):
    """Return the value of a record of another instance for each *number*."""
    return {"processInstanceKey": KEY + number}


async def stopping(exporter):
    """Ask *exporter* to stop; return the task that ends with it."""
    stop = asyncio.create_task(exporter.stop())
    await eventually(lambda: exporter.lines.saying("stopping"))
    return stop


def left(exporter):
    """Return how many events still waited when *exporter* had stopped."""
    (line,) = exporter.lines.saying("stopped")
    return line.waiting_events


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
async def test_signals(launch, backend, client, number):
    """A process that gets a signal delivers the waiting events, and exits 0."""
    gate = backend.hold()
    process = launch()
    await process.run()

    for position in range(1, 31):
        body = tasks(position, value=instance(position % 7))
        assert await send(client, process.ingest_url, body) == 200
    process.signal(number)
    await eventually(lambda: process.saying("stopping"))
    gate.set()

    assert await process.ended() == 0
    assert sorted(backend.positions) == list(range(1, 31))
    (stopped,) = process.saying("stopped")
    assert stopped["waiting_events"] == 0


async def test_a_stop_ends_ingest_first(start, backend):
    """During the drain nothing more is accepted, and readiness says so."""
    gate = backend.hold()
    exporter = await start(**LONG)
    await exporter.bulk(tasks(1))
    before = await exporter.look("/readyz")

    stop = await stopping(exporter)
    await refusal(exporter.ingest)
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")
    gate.set()
    await stop

    assert before.status == 200
    assert (ready.status, healthy.status) == (503, 200)
    assert "ingest isn't listening" in ready.json["reason"]
    assert backend.positions == [1]
    assert await refuses(exporter.admin)


async def test_a_request_under_way_is_finished(start, backend, disk):
    """A bulk request that waits for the disk when the stop comes is answered."""
    exporter = await start(**LONG)
    disk.asked.clear()
    disk.quick.clear()
    request = asyncio.create_task(exporter.bulk(tasks(1)))
    await eventually(disk.asked.is_set)

    stop = await stopping(exporter)
    disk.quick.set()

    assert (await request).status == 200
    await stop
    assert backend.positions == [1]


async def test_nothing_delays_a_stop_without_events(start):
    """A broker that keeps its idle connection doesn't delay a stop."""
    exporter = await start(**LONG)

    async with connected(exporter.ingest) as wire:
        await wire.ask(GET)
        async with asyncio.timeout(30):
            await exporter.stop()

    assert left(exporter) == 0


async def test_idle_connections_are_kept(start, skip):
    """A connection may be idle for longer than any broker's pause, but not for ever."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.ask(GET)
        skip(60 * 60)
        await exporter.look("/healthz")  # long enough to close what is idle
        assert (await wire.ask(GET)).status == 200
        skip(service.OPTIONS["keepalive_timeout"])
        assert not await wire.is_open()


async def test_a_request_in_flight_may_end(start, backend, monkeypatch):
    """A drain that ends early waits for requests in flight, and begins none."""
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    gates = {1: asyncio.Event(), 2: asyncio.Event()}

    async def answer(post):
        (position,) = post.positions
        await gates[position].wait()
        return {1: 503, 2: 200}[position]

    backend.answer = answer
    exporter = await start(max_batches_in_flight=2, **LONG)
    for position in (1, 2):
        await exporter.bulk(tasks(position, value=instance(position)))
        await eventually(lambda sent=position: len(backend.requests) == sent)

    stop = await stopping(exporter)
    gates[1].set()
    await eventually(lambda: exporter.lines.saying("batch not delivered"))
    for _ in range(5):  # long enough for another attempt
        await exporter.look("/healthz")
    gates[2].set()
    await stop

    assert [post.positions for post in backend.requests] == [[1], [2], [1], [1]]
    assert left(exporter) == 1


async def test_a_drain_gives_a_paused_backend_one_chance(start, backend, monkeypatch):
    """A pause of half a minute ends with the stop: perhaps the backend is back."""
    monkeypatch.setattr("exporter.delivery.breaker.FIRST_SECONDS", 30.0)
    monkeypatch.setattr("exporter.delivery.breaker.LONGEST_SECONDS", 30.0)
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    backend.answer = 503
    exporter = await start(**LONG)
    await exporter.bulk(tasks(1))
    await eventually(lambda: exporter.lines.saying("batch not delivered"))

    backend.answer = 200
    async with asyncio.timeout(30):
        await exporter.stop()

    assert [post.status for post in backend.requests] == [503, 200]


async def test_a_drain_ends_in_time(start, backend):
    """A backend that hangs is waited for SHUTDOWN_TIMEOUT_MS, and nothing is lost."""
    backend.hold()
    exporter = await start(shutdown_timeout_ms=100, request_timeout_ms=60_000)
    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.requests)

    loop = asyncio.get_running_loop()
    begun = loop.time()
    await exporter.stop()
    lasted = loop.time() - begun
    backend.answer = 200
    await start()
    await eventually(lambda: backend.positions == [1])

    assert 0.1 <= lasted < 30
    assert left(exporter) == 1
