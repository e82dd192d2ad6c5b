"""A backend that hangs, breaks off or isn't there delays what it gets, and no more."""

import asyncio

from pytest_httpserver import HTTPServer

from tests.conftest import eventually
from tests.records import KEY, instance, tasks
from tests.service.peers import (
    accept,
    accept_and_close_soon,
    be_silent,
    hang_up,
    never_end,
    never_stop,
    peer,
    stub_dripping,
)


async def test_a_hanging_batch_delays_no_other_instance(start, backend):
    """While one batch hangs, all other instances' events arrive, in their order."""
    gate = backend.gate()
    slow = str(KEY + 1)

    def answer(post):
        if any(event["processInstanceKey"] == slow for event in post.events):
            gate.wait(10)
        return 200

    backend.answer = answer
    exporter = await start()

    await exporter.bulk(tasks(1, value=instance(1)))
    await eventually(lambda: len(backend.posts) == 1)
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


async def test_idle_connections_that_are_closed(start):
    """A request that crosses with the end of its connection goes out again at once."""
    async with peer(accept_and_close_soon) as (url, begun):
        exporter = await start(url=url, batch_size=1)
        for position in range(1, 101):
            await exporter.bulk(tasks(position, value=instance(position)))
        while (await exporter.metrics())["spool_events"]:
            pass  # until all are delivered

        metrics = await exporter.metrics()
        assert metrics["delivery_events_total"] == 100
        assert metrics["delivery_attempts_total postponed"] == 0
        assert len(begun) > 10


async def test_a_batch_that_times_out_delays_no_other(start, backend):
    """A batch that fails while others get through is tried again on its own."""
    gate = backend.gate()
    slow = str(KEY + 1)

    def answer(post):
        if post.events[0]["processInstanceKey"] == slow:
            gate.wait(10)
        return 200

    backend.answer = answer
    exporter = await start(request_timeout_ms=100)

    await exporter.bulk(tasks(1, value=instance(1)))
    position = 1
    while len([post for post in backend.posts if post.positions == [1]]) < 4:
        position += 1
        await exporter.bulk(tasks(position, value=instance(2)))
    await eventually(lambda: len(set(backend.positions)) == position - 1)
    gate.set()
    await eventually(lambda: 1 in backend.positions)

    arrived = list(dict.fromkeys(backend.positions))  # others may time out, too
    assert [n for n in arrived if n != 1] == list(range(2, position + 1))


async def test_a_silent_peer(start):
    """A peer that says nothing has REQUEST_TIMEOUT_MS, then the batch is repeated."""
    async with peer(be_silent, be_silent, accept) as (url, begun):
        loop = asyncio.get_running_loop()
        exporter = await start(url=url, request_timeout_ms=100)
        started = loop.time()

        await exporter.bulk(tasks(1))
        await eventually(lambda: len(begun) == 3)

        assert 0.2 <= loop.time() - started < 5
        (trouble,) = exporter.lines.saying("batch not delivered")
        assert trouble.reason == "no answer within 0.1 s"
        assert 0.1 <= trouble.seconds < 4
        await exporter.stop()


async def test_a_peer_that_drips(start):
    """A peer that sends a little all the time is bounded by the same timeout."""
    async with peer(stub_dripping, accept) as (url, begun):
        exporter = await start(url=url, request_timeout_ms=100)

        await exporter.bulk(tasks(1))
        await eventually(lambda: len(begun) == 2)

        (trouble,) = exporter.lines.saying("batch not delivered")
        assert trouble.reason == "no answer within 0.1 s"
        await exporter.stop()


async def test_an_answer_that_never_ends(start, monkeypatch):
    """The head of a success is enough: what follows is neither needed nor awaited."""
    monkeypatch.setattr("exporter.delivery.backend.ANSWER_SECONDS", 0.02)
    async with peer(never_end) as (url, begun):
        exporter = await start(url=url, max_batches_in_flight=1)

        await exporter.bulk(tasks(1))
        await exporter.bulk(tasks(2, value=instance(2)))
        await eventually(lambda: len(begun) == 2)
        await exporter.stop()

        assert exporter.lines.saying("batch not delivered") == []
        assert exporter.lines.saying("stopped")[0].waiting_events == 0
        assert len(begun) == 2


async def test_an_answer_that_is_too_long(start, monkeypatch):
    """Of a long answer no more is read than it would cost to connect again."""
    monkeypatch.setattr("exporter.delivery.backend.ANSWER_SECONDS", 60)
    async with peer(never_stop) as (url, begun):
        exporter = await start(url=url, request_timeout_ms=60_000)

        await exporter.bulk(tasks(1))
        await eventually(lambda: len(begun) == 1)
        async with asyncio.timeout(5):
            await exporter.stop()

        assert exporter.lines.saying("stopped")[0].waiting_events == 0
        assert len(begun) == 1


async def test_a_peer_that_hangs_up(start):
    """A connection that breaks is the moment's fault; the batch comes again."""
    async with peer(hang_up, hang_up, accept) as (url, begun):
        exporter = await start(url=url)

        await exporter.bulk(tasks(1))
        await eventually(lambda: len(begun) == 3)

        (trouble,) = exporter.lines.saying("batch not delivered")
        assert trouble.outcome == "postponed"
        assert "disconnected" in trouble.reason
        await exporter.stop()


async def test_nobody_listens(start, backend, unused_tcp_port_factory):
    """A backend that isn't there yet is waited for, and the log says what is wrong."""
    port = unused_tcp_port_factory()
    exporter = await start(url=f"http://127.0.0.1:{port}/events")

    await exporter.bulk(tasks(1))
    (trouble,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert trouble.outcome == "postponed"
    assert f"127.0.0.1:{port}" in trouble.reason
    with HTTPServer(host="127.0.0.1", port=port) as late:
        late.expect_request("/events").respond_with_data()
        await eventually(lambda: late.log)
        await exporter.stop()
    assert backend.posts == []


async def test_a_name_that_does_not_resolve(start):
    """A name nobody knows is the moment's fault: name services fail, too."""
    exporter = await start(url="http://backend.invalid/events")

    await exporter.bulk(tasks(1))
    (trouble,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert trouble.outcome == "postponed"
    assert "backend.invalid" in trouble.reason
