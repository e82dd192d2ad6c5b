"""A backend that hangs, breaks off or isn't there delays only its own events."""

import asyncio
import socket
from itertools import chain, repeat

import pytest

from devkit.backend import Answer, begun
from devkit.waiting import eventually
from tests.records import KEY, instance, tasks
from tests.service.running import eventually_metrics

HOST = "backend.invalid"
OK = b"HTTP/1.1 200 OK\r\n"


def in_turn(*answers):
    """Return the rule that gives each of *answers* once, and the last one again."""
    answers = chain(answers, repeat(answers[-1]))
    return lambda _: next(answers)


async def test_a_hanging_batch_delays_no_other_instance(start, backend):
    """While one batch hangs, all other instances' events arrive, in their order."""
    gate, slow = asyncio.Event(), str(KEY + 1)

    async def answer(post):
        if any(event["processInstanceKey"] == slow for event in post.events):
            await gate.wait()
        return 200

    backend.answer = answer
    exporter = await start()

    await exporter.bulk(tasks(1, value=instance(1)))
    await eventually(lambda: len(backend.requests) == 1)
    for position in range(2, 17):
        await exporter.bulk(tasks(position, value=instance(position % 3)))
    others = [position for position in range(2, 17) if position % 3 != 1]
    await eventually(lambda: len(backend.positions) == len(others))
    before = sorted(backend.positions)
    gate.set()
    await eventually(lambda: len(backend.positions) == 16)

    assert before == others
    hung = [position for position in backend.positions if position % 3 == 1]
    assert hung == list(range(1, 17, 3))


async def test_idle_connections_that_are_closed(start, backend, monkeypatch):
    """A request that crosses with the end of its connection is sent again at once."""
    monkeypatch.setattr("exporter.delivery.transport.AT_ONCE_SECONDS", 60)
    backend.answer = Answer(
        200, raw=[OK + b"Content-Length: 0\r\n\r\n"], pause=0.001, end="close"
    )
    exporter = await start(batch_size=1)

    for position in range(1, 61):
        await exporter.bulk(tasks(position, value=instance(position)))
    metrics = await eventually_metrics(exporter, spool_events=0)

    assert metrics["delivery_events_total"] == 60
    assert metrics["delivery_attempts_total postponed"] == 0
    assert len({each.connection for each in backend.requests}) > 10


async def test_a_peer_that_drips(start, backend):
    """A peer that sends a little all the time is bounded by the same timeout."""
    dripping = chain([OK], repeat(b"X-Drip: 1\r\n"))
    backend.answer = in_turn(Answer(503, raw=dripping, pause=0.01), 200)
    exporter = await start(request_timeout_ms=100)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert (await exporter.trouble()).reason == "no answer within 0.1 s"


@pytest.mark.parametrize(
    "raw, seconds",
    [
        (begun(200, b"thank you"), 0.02),
        ([OK + b"\r\n", *[bytes(8192)] * 1000], 60),
    ],
    ids=["never ends", "is too long"],
)
async def test_the_body_of_a_success(start, backend, monkeypatch, raw, seconds):
    """The head of a success is enough: its body is read for a moment at most."""
    monkeypatch.setattr("exporter.delivery.backend.ANSWER_SECONDS", seconds)
    backend.answer = Answer(200, raw=raw)
    exporter = await start(request_timeout_ms=60_000, shutdown_timeout_ms=60_000)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.requests)
    async with asyncio.timeout(30):
        await exporter.stop()

    assert exporter.lines.saying("batch not delivered") == []
    assert exporter.lines.saying("stopped")[0].waiting_events == 0
    assert len(backend.requests) == 1


async def test_nobody_listens(start, backend):
    """Events wait for a backend that isn't there; the log says what is wrong."""
    await backend.down()
    exporter = await start()

    await exporter.bulk(tasks(1))
    trouble = await exporter.trouble()
    await backend.up()
    await eventually(lambda: backend.positions == [1])

    assert trouble.outcome == "postponed"
    assert f"127.0.0.1:{backend.port}" in trouble.reason


async def test_a_name_that_does_not_resolve(start, backend, monkeypatch):
    """Events wait until the name resolves, and arrive in order."""
    addresses, resolve = [], socket.getaddrinfo

    def getaddrinfo(host, *args, **more):
        if host == HOST and not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1" if host == HOST else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    exporter = await start(url=backend.url.replace("127.0.0.1", HOST))
    await exporter.bulk(tasks(1, 2, 3))
    trouble = await exporter.trouble()
    addresses.append(HOST)
    await eventually(lambda: backend.positions == [1, 2, 3])

    assert trouble.outcome == "postponed"
    assert HOST in trouble.reason
