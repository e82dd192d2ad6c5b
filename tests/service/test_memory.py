"""A request leaves nothing in memory, whatever its answer is."""

import asyncio
import gc
import io
import itertools
import re
import sys
import weakref
from pathlib import Path

import pytest

from devkit.waiting import eventually
from exporter.ingest import server
from exporter.ingest.bulk import Bulk
from tests.records import tasks
from tests.service.wire import POST, connected

MIB = 1024 * 1024

reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def held(monkeypatch):
    """Return the bulks that are alive; nothing frees one but its last reference."""
    alive = weakref.WeakSet()

    class Watched(Bulk):
        """A bulk that is seen as long as it lives."""

        def __init__(self, mapper):
            super().__init__(mapper)
            alive.add(self)

    monkeypatch.setattr(server, "Bulk", Watched)
    gc.collect()
    gc.disable()
    yield alive
    gc.enable()


async def test_a_full_spool_keeps_no_request(start, backend, held):
    """A request is freed with its answer, also if it finds no room."""
    backend.answer = 503
    exporter = await start(spool_max_bytes=MIB)
    large = {"assignee": "x" * 600_000}
    assert (await exporter.bulk(tasks(1, value=large))).status == 200
    await eventually(lambda: not held)
    body = tasks(2, value=large)

    statuses = [(await exporter.bulk(body)).status for _ in range(3)]

    assert statuses == [429] * 3
    await eventually(lambda: not held)


async def test_a_failing_disk_keeps_no_request(start, held, disk):
    """A request that the disk doesn't take is freed with its answer."""
    exporter = await start()
    disk.failing = True

    statuses = [(await exporter.bulk(tasks(n))).status for n in range(1, 4)]

    assert statuses == [503] * 3
    await eventually(lambda: not held)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9999", b"Transfer-Encoding: chunked"]
)
async def test_an_upload_that_breaks_off_is_freed(start, held, framing):
    """A request whose client goes away in the middle is freed at once."""
    exporter = await start()

    for _ in range(3):
        async with connected(exporter.ingest) as wire:
            await wire.send(POST + framing + b"\r\n\r\n", b"3e8\r\n" + b"x" * 500)
            await eventually(lambda: held)
        await eventually(lambda: not held)
    assert (await exporter.metrics())["ingest_answers_total 400"] == 3


def most_used(process):
    """Return the most memory that *process* has had so far, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024


@reads_proc
@pytest.mark.slow
async def test_many_large_requests_at_once(launch, client):
    """Forty-eight partitions that send 10 MiB each at once are taken in 256 MB."""
    process = launch()
    await process.run()
    large = {"assignee": "x" * 100_000}
    bodies = [tasks(*range(n, n + 105), value=large) for n in (1, 2, 3)]

    async def send(number):
        body = io.BytesIO(bodies[number % 3])
        async with client.post(f"{process.ingest_url}/_bulk", data=body) as answer:
            return answer.status, len(await answer.read()) > 105

    answers = await asyncio.gather(*map(send, range(48)))

    assert min(map(len, bodies)) > 10 * MIB
    assert answers == [(200, True)] * 48
    assert most_used(process) < 256


@reads_proc
@pytest.mark.slow
async def test_endless_requests(launch):
    """Bodies that no broker sends end before they take much memory."""
    process = launch()
    await process.run()

    statuses = await asyncio.gather(
        *(pour(process, CHUNKED, data) for data in (b"x\n" * 32_000, b"x" * 64_000))
    )

    assert statuses == [413] * 2
    assert most_used(process) < 384


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


async def pour(process, head, data):
    """Send *head*, and chunks of *data* until there is an answer; return its status."""
    part = b"%x\r\n%b\r\n" % (len(data), data)
    async with connected(process.ingest_url.removeprefix("http://")) as wire:
        await wire.send(head)
        sending = asyncio.create_task(wire.send(*itertools.repeat(part, 10_000)))
        try:
            return (await wire.reply()).status
        except (ConnectionError, ValueError):
            return 0
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@reads_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    "head", [b"", UPGRADE, CHUNKED + b"0\r\nX: "], ids=["head", "upgrade", "trailer"]
)
async def test_invalid_http(launch, head):
    """Bytes that aren't HTTP are not kept."""
    process = launch()
    await process.run()
    before = most_used(process)

    for _ in range(6):
        await pour(process, head, b"x" * 100_000)

    assert most_used(process) < before + 12
