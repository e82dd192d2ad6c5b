"""Limits on memory, time and connections, all above a broker's needs."""

import asyncio
import itertools

import pytest

from devkit.waiting import eventually
from exporter.ingest import server, upload
from exporter.net import listening
from tests.records import tasks
from tests.service.replies import explains_itself
from tests.service.wire import POST, connected

MIB = 1024 * 1024
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """Close connections soon after an answer that nobody waits for."""
    monkeypatch.setattr(listening, "UNWANTED_SECONDS", 0.1)


def chunk(data):
    """Return *data* as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def pour(wire, data):
    """Send *data* until the other side closes the connection; return its answer."""
    sending = asyncio.create_task(wire.send(*itertools.repeat(data, 10_000)))
    try:
        return await wire.reply()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("port", ["ingest", "admin"])
@pytest.mark.parametrize(
    "before, sent", [(b"", b""), (b"", b"GET / HT"), (GET, b"GET / HT")]
)
async def test_a_head_that_does_not_end(start, skip, port, before, sent):
    """A connection that stops before its first head, or in any head, is closed."""
    exporter = await start()

    async with connected(getattr(exporter, port)) as wire:
        if before:
            await wire.ask(before)
        await wire.send(sent)
        await exporter.look("/healthz")  # until then it has been accepted
        skip(listening.HEAD_SECONDS)
        assert not await wire.is_open()


async def test_a_whole_head_is_time_enough(start, skip):
    """A connection may be idle between requests."""
    exporter = await start()

    async with connected(exporter.ingest) as idle, connected(exporter.ingest) as other:
        await idle.ask(GET)
        skip(listening.HEAD_SECONDS)
        assert not await other.is_open()
        assert (await idle.ask(GET)).status == 200


async def test_an_endless_head(start):
    """A head that never ends is refused."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.send(b"GET / HTTP/1.1\r\n")
        with pytest.raises((ConnectionError, ValueError, asyncio.IncompleteReadError)):
            await pour(wire, b"X: %b\r\n" % (b"x" * 7000))


async def test_strangers_give_way(start, monkeypatch):
    """Of too many connections without a request, the oldest is closed."""
    monkeypatch.setattr(listening, "MOST_STRANGERS", 2)
    exporter = await start()

    async with connected(exporter.ingest) as broker:
        await broker.ask(GET)
        async with (
            connected(exporter.ingest) as first,
            connected(exporter.ingest) as second,
            connected(exporter.ingest) as third,
        ):
            assert not await first.is_open()
            assert (await second.ask(GET)).status == 200
            assert (await third.ask(GET)).status == 200
        assert (await broker.ask(GET)).status == 200


async def test_a_body_that_stops(start, monkeypatch):
    """A slow body is answered with an error, and not stored."""
    monkeypatch.setattr(upload, "BODY_SECONDS", 0.1)
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        reply = await wire.ask(CHUNKED, chunk(tasks(1)))
        assert explains_itself(reply, 408, "too long", "nothing of it is stored")
        assert not await wire.is_open()
    assert (await exporter.metrics())["spool_events"] == 0


async def test_a_body_that_breaks(start):
    """A connection is closed soon after a body whose framing is wrong."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.send(CHUNKED, chunk(tasks(1)))
        await exporter.ask("GET", "/")
        await wire.send(b"no size\r\n")
        assert not await wire.is_open()


@pytest.mark.parametrize(
    "limit, part, words",
    [
        ("LARGEST_BODY", b"x" * 1000, ["10000 bytes", "bulk.memoryLimit"]),
        ("MOST_RECORDS", b"x\n" * 1000, ["10000 records"]),
    ],
)
@pytest.mark.parametrize(
    "framing", [b"Transfer-Encoding: chunked", b"Content-Length: 99999999999"]
)
async def test_an_endless_body(start, monkeypatch, limit, part, words, framing):  # noqa: PLR0913, PLR0917 - both vary
    """A body that is too large is answered 413, and the connection is closed."""
    monkeypatch.setattr(upload, limit, 10_000)
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.send(POST + framing + b"\r\n\r\n")
        reply = await pour(wire, chunk(part))

    assert explains_itself(reply, 413, *words)
    assert (await exporter.metrics())["ingest_answers_total 413"] == 1


async def test_strangers_bodies_are_not_read(start, monkeypatch):
    """Both ports refuse a large body without credentials before reading it."""
    exporter = await start(ingest_username="broker", ingest_password="password")
    read = []
    received = listening.Connection.data_received
    monkeypatch.setattr(
        listening.Connection,
        "data_received",
        lambda self, data: (read.append(len(data)), received(self, data)),
    )

    for port in (exporter.ingest, exporter.admin):
        for framing in (b"Transfer-Encoding: chunked", b"Content-Length: 999999999"):
            async with connected(port) as wire:
                await wire.send(POST + framing + b"\r\n\r\n")
                reply = await pour(wire, chunk(b"x" * 64_000))
                assert reply.status == 401
                assert reply.headers["Connection"] == "close"

    assert sum(read) < 8 * MIB


async def test_a_known_client_keeps_its_connection(start):
    """After a refused small body, the connection can be used again."""
    exporter = await start()
    body = tasks(*range(1, 200))
    head = b"Content-Length: %d\r\n" % len(body)

    async with connected(exporter.ingest) as wire:
        refused = await wire.ask(POST + head + b"Content-Encoding: gzip\r\n\r\n", body)
        taken = await wire.ask(POST + head + b"\r\n", body)

    assert (refused.status, taken.status) == (415, 200)


@pytest.fixture
def little(monkeypatch):
    """Give all requests little memory."""
    small = upload.Uploads(room=MIB, reserved=MIB)
    monkeypatch.setattr(server, "Uploads", lambda: small)


@pytest.mark.usefixtures("little")
async def test_small_requests_pass_large_ones(start, backend):
    """Small requests are answered while large ones wait for memory."""
    exporter = await start()
    large = tasks(2, value={"assignee": "x" * 2 * MIB})

    async with connected(exporter.ingest) as stuck, connected(exporter.ingest) as next_:
        await stuck.send(CHUNKED, chunk(large[: MIB + MIB // 2]))
        await next_.send(CHUNKED, chunk(large), b"0\r\n\r\n")
        assert (await exporter.bulk(tasks(1))).status == 200
        assert not await is_answered(next_)
        await stuck.send(chunk(large[MIB + MIB // 2 :]), b"0\r\n\r\n")
        replies = [await stuck.reply(), await next_.reply()]

    assert [reply.status for reply in replies] == [200, 200]
    await eventually(lambda: sorted(backend.positions) == [1, 2])


async def is_answered(wire):
    """Return whether *wire* received data soon."""
    return not await wire.is_open(after=0.1) or bool(wire._reader._buffer)


@pytest.mark.usefixtures("little")
async def test_waiting_for_room_ends(start, monkeypatch):
    """A large body without room in time is answered 429."""
    monkeypatch.setattr(upload, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(listening, "UNWANTED_SECONDS", 0.1)
    exporter = await start()
    large = tasks(2, value={"assignee": "x" * 2 * MIB})

    async with connected(exporter.ingest) as stuck, connected(exporter.ingest) as wire:
        await stuck.send(CHUNKED, chunk(large[: MIB + MIB // 2]))
        await exporter.ask("GET", "/")
        reply = await wire.ask(CHUNKED, chunk(large))

    assert explains_itself(reply, 429, "Too many large requests", "bulk.memoryLimit")


async def test_others_have_their_turn(start, monkeypatch):
    """Other requests are served between the parts of a large body."""
    monkeypatch.setattr(upload, "TURN_SECONDS", 0)
    monkeypatch.setattr(upload, "MOST_RECORDS", 5000)
    exporter = await start()
    turns = itertools.count()
    seen = []
    feed = upload.Bulk.feed
    monkeypatch.setattr(
        upload.Bulk,
        "feed",
        lambda self, part: (seen.append((next(turns), len(part))), feed(self, part)),
    )

    async def tick():
        while True:
            next(turns)
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    reply = await exporter.bulk((b"x" * 99 + b"\n") * 6000)
    ticking.cancel()

    large = seen[upload.SMALL // upload.SLICE :]
    assert reply.status == 413
    assert max(length for _, length in seen) <= upload.SLICE
    assert all(
        after - before > 1 for (before, _), (after, _) in itertools.pairwise(large)
    )


async def test_a_stop_ends_an_upload(start):
    """A stop doesn't wait for a body that is arriving."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.send(CHUNKED, chunk(tasks(1)))
        await exporter.ask("GET", "/")
        stopping = asyncio.create_task(exporter.stop())
        reply = await wire.reply()
        await stopping

    assert explains_itself(reply, 503, "stops", "nothing of it is stored")
