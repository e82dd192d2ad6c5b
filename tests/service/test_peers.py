"""A backend that hangs, breaks off or isn't there delays what it gets, and no more."""

import asyncio
import socket
from itertools import chain, repeat

from devkit.backend import HANG, HANG_UP, Answer, begun
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
    for position in range(2, 32):
        await exporter.bulk(tasks(position, value=instance(position % 3)))
    others = [position for position in range(2, 32) if position % 3 != 1]
    await eventually(lambda: len(backend.positions) == len(others))
    before = sorted(backend.positions)
    gate.set()
    await eventually(lambda: len(backend.positions) == 31)

    assert before == others
    assert [position for position in backend.positions if position % 3 == 1] == list(
        range(1, 32, 3)
    )


async def test_idle_connections_that_are_closed(start, backend, monkeypatch):
    """A request that crosses with the end of its connection goes out again at once."""
    monkeypatch.setattr("exporter.delivery.transport.AT_ONCE_SECONDS", 60)
    backend.answer = Answer(
        200, raw=[OK + b"Content-Length: 0\r\n\r\n"], pause=0.001, end="close"
    )
    exporter = await start(batch_size=1)

    for position in range(1, 101):
        await exporter.bulk(tasks(position, value=instance(position)))
    metrics = await eventually_metrics(exporter, spool_events=0)

    assert metrics["delivery_events_total"] == 100
    assert metrics["delivery_attempts_total postponed"] == 0
    assert len({each.connection for each in backend.requests}) > 10


async def test_a_batch_that_times_out_delays_no_other(start, backend):
    """A batch that fails while others get through is tried again on its own."""
    gate, slow = asyncio.Event(), str(KEY + 1)

    async def answer(post):
        if post.events[0]["processInstanceKey"] == slow:
            await gate.wait()
        return 200

    backend.answer = answer
    exporter = await start(request_timeout_ms=100)

    await exporter.bulk(tasks(1, value=instance(1)))
    position = 1
    while len([post for post in backend.requests if post.positions == [1]]) < 4:
        position += 1
        await exporter.bulk(tasks(position, value=instance(2)))
    await eventually(lambda: len(set(backend.positions)) == position - 1)
    gate.set()
    await eventually(lambda: 1 in backend.positions)

    arrived = list(dict.fromkeys(backend.positions))  # others may time out, too
    assert [n for n in arrived if n != 1] == list(range(2, position + 1))


async def test_a_silent_peer(start, backend, skip):
    """A peer that says nothing has REQUEST_TIMEOUT_MS, then the batch is repeated."""
    backend.answer = in_turn(HANG, HANG, 200)
    exporter = await start(request_timeout_ms=60_000)

    await exporter.bulk(tasks(1))
    for number in (1, 2):
        await eventually(lambda number=number: len(backend.requests) == number)
        skip(60)
    await eventually(lambda: backend.positions == [1])

    assert len(backend.requests) == 3
    (trouble,) = exporter.lines.saying("batch not delivered")
    assert trouble.reason == "no answer within 60 s"


async def test_a_peer_that_drips(start, backend):
    """A peer that sends a little all the time is bounded by the same timeout."""
    dripping = chain([OK], repeat(b"X-Drip: 1\r\n"))
    backend.answer = in_turn(Answer(503, raw=dripping, pause=0.01), 200)
    exporter = await start(request_timeout_ms=100)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    (trouble,) = exporter.lines.saying("batch not delivered")
    assert trouble.reason == "no answer within 0.1 s"


async def test_an_answer_that_never_ends(start, backend, monkeypatch):
    """The head of a success is enough: what follows is neither needed nor awaited."""
    monkeypatch.setattr("exporter.delivery.backend.ANSWER_SECONDS", 0.02)
    backend.answer = Answer(200, raw=begun(200, b"thank you"))
    exporter = await start(max_batches_in_flight=1, shutdown_timeout_ms=60_000)

    await exporter.bulk(tasks(1))
    await exporter.bulk(tasks(2, value=instance(2)))
    await eventually(lambda: backend.positions == [1, 2])
    await exporter.stop()

    assert exporter.lines.saying("batch not delivered") == []
    assert exporter.lines.saying("stopped")[0].waiting_events == 0
    assert len(backend.requests) == 2


async def test_an_answer_that_is_too_long(start, backend, monkeypatch):
    """Of a long answer no more is read than it would cost to connect again."""
    monkeypatch.setattr("exporter.delivery.backend.ANSWER_SECONDS", 60)
    endless = chain([OK + b"\r\n"], repeat(bytes(8192)))
    backend.answer = Answer(200, raw=endless)
    exporter = await start(request_timeout_ms=60_000, shutdown_timeout_ms=60_000)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.requests)
    async with asyncio.timeout(30):
        await exporter.stop()

    assert exporter.lines.saying("stopped")[0].waiting_events == 0
    assert len(backend.requests) == 1


async def test_a_peer_that_hangs_up(start, backend):
    """A connection that breaks is the moment's fault; the batch comes again."""
    backend.answer = in_turn(HANG_UP, HANG_UP, 200)
    exporter = await start()

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert len(backend.requests) == 3
    (trouble,) = exporter.lines.saying("batch not delivered")
    assert trouble.outcome == "postponed"
    assert "disconnected" in trouble.reason


async def test_nobody_listens(start, backend):
    """A backend that isn't there yet is waited for, and the log says what is wrong."""
    await backend.down()
    exporter = await start()

    await exporter.bulk(tasks(1))
    (trouble,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))
    await backend.up()
    await eventually(lambda: backend.positions == [1])

    assert trouble.outcome == "postponed"
    assert f"127.0.0.1:{backend.port}" in trouble.reason


async def test_a_name_that_does_not_resolve(start, backend, monkeypatch):
    """Events wait until the name leads somewhere again, and arrive in order."""
    asked = []
    known = False
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **more):
        if host != HOST:
            return resolve(host, *args, **more)
        asked.append(host)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    exporter = await start(url=backend.url.replace("127.0.0.1", HOST))
    await exporter.bulk(tasks(1, 2, 3))
    await eventually(lambda: len(asked) >= 3)
    (trouble,) = exporter.lines.saying("batch not delivered")
    metrics = await exporter.metrics()
    known = True
    await eventually(lambda: len(backend.positions) == 3)

    assert trouble.outcome == "postponed"
    assert HOST in trouble.reason
    assert metrics["delivery_attempts_total postponed"] >= 2
    assert metrics["delivery_attempts_total blocked"] == 0
    assert backend.positions == [1, 2, 3]
