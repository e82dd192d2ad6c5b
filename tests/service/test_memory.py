"""What a request holds in memory goes with its answer, whatever the answer is."""

import gc
import weakref

import pytest

from devkit.waiting import eventually
from exporter.ingest import upload
from exporter.ingest.intake import Intake
from tests.records import tasks
from tests.service.wire import POST, connected

MIB = 1024 * 1024


@pytest.fixture
def held(monkeypatch):
    """Return the intakes that are alive; nothing frees one but its last reference."""
    alive = weakref.WeakSet()

    class Watched(Intake):
        """An intake that is seen as long as it lives."""

        def __init__(self, mapper):
            super().__init__(mapper)
            alive.add(self)

    monkeypatch.setattr(upload, "Intake", Watched)
    gc.collect()
    gc.disable()
    yield alive
    gc.enable()


async def test_a_full_spool_keeps_no_request(start, backend, held):
    """A request that finds no room is freed with its answer."""
    backend.answer = 503
    exporter = await start(spool_max_bytes=MIB)
    large = {"assignee": "x" * 600_000}
    assert (await exporter.bulk(tasks(1, value=large))).status == 200

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


async def test_an_accepted_request_is_freed(start, backend, held):
    """A request that was accepted is freed with its answer."""
    exporter = await start()

    assert (await exporter.bulk(tasks(1))).status == 200

    await eventually(lambda: not held)
    await eventually(lambda: backend.positions == [1])


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
    assert (await exporter.metrics())["ingest_refusals_total 400"] == 3
