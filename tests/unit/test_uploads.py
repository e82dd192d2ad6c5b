"""The memory of all requests is limited, and one request always makes progress."""

import asyncio
from contextlib import ExitStack

import pytest

from exporter.events import Mapper
from exporter.ingest import upload
from exporter.ingest.answers import RefusedError
from exporter.ingest.bulk import Bulk
from exporter.ingest.upload import SMALL, Uploads

LARGE = 4 * SMALL


class Request:
    """A request that holds memory until its end."""

    def __init__(self, uploads):
        self._uploads = uploads
        self._bulk = Bulk(Mapper())
        self._counting = ExitStack()
        self._counting.enter_context(uploads.counting(self._bulk))
        self.end = self._counting.close

    async def hold(self, size):
        """Wait for room for *size* bytes."""
        await self._uploads.hold(self._bulk, size)

    async def waiting(self, size):
        """Return a task that holds *size* bytes, after checking that it waits."""
        task = asyncio.create_task(self.hold(size))
        await waits(task)
        return task


async def waits(task):
    """Check that *task* isn't done after some iterations of the event loop."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()


@pytest.fixture
def requests():
    """Return four requests, with room for a large one and two small ones."""
    uploads = Uploads(room=LARGE, reserved=2 * SMALL)
    return [Request(uploads) for _ in range(4)]


async def test_the_oldest_large_one_never_waits(requests):
    """The oldest large request may exceed the room; others wait in order."""
    first, second, third, _ = requests
    await first.hold(LARGE)

    tasks = [await each.waiting(LARGE) for each in (second, third)]
    await first.hold(3 * LARGE)
    first.end()
    await tasks[0]
    await waits(tasks[1])
    second.end()
    await tasks[1]


@pytest.mark.parametrize("size", [LARGE, 10 * LARGE])
async def test_small_ones_have_reserved_room(requests, size):
    """Large requests never use the reserved room, and it's limited too."""
    large, small, other, last = requests
    await large.hold(size)

    await small.hold(SMALL)
    await other.hold(SMALL)
    task = await last.waiting(SMALL)
    small.end()
    await task


async def test_waiting_is_limited_in_time(requests, monkeypatch):
    """A request that waited too long is refused and holds nothing."""
    monkeypatch.setattr(upload, "WAIT_SECONDS", 0.01)
    first, second, third, _ = requests
    await first.hold(LARGE)

    with pytest.raises(RefusedError, match=r"bulk\.memoryLimit"):
        await second.hold(LARGE)
    second.end()
    first.end()

    await third.hold(LARGE)


async def test_the_number_of_waiting_requests_is_limited(requests, monkeypatch):
    """A request is refused at once while many others wait."""
    monkeypatch.setattr(upload, "MOST_WAITING", 1)
    first, second, third, _ = requests
    await first.hold(LARGE)
    task = await second.waiting(LARGE)

    with pytest.raises(RefusedError):
        await third.hold(LARGE)

    first.end()
    await task


async def test_a_cancelled_request(requests, monkeypatch):
    """A cancelled request holds nothing and doesn't count as waiting."""
    monkeypatch.setattr(upload, "MOST_WAITING", 1)
    first, second, third, _ = requests
    await first.hold(LARGE)
    task = await second.waiting(LARGE)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    second.end()
    task = await third.waiting(LARGE)
    first.end()

    await task
