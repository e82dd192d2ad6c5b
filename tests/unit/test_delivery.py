"""Delivery with a backend that says what a test wants; the spool is a real one."""

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import repeat

import pytest

from exporter.delivery import Answer, Delivery, Plan
from exporter.delivery import delivery as module
from tests.conftest import eventually
from tests.unit.spools import ANY, a_spool, an_event


class BackendStub:
    """Answers with what is next for an event, and then with success."""

    def __init__(self, **answers):
        """Take lists of *answers* by position, as `p1=[...]`."""
        self.answers = answers
        self.posts = []

    async def post(self, request):
        """Answer for the first event of the batch."""
        position = request.headers["X-Event-Ids"].split("-")[1]
        self.posts.append(int(position))
        left = self.answers.get(f"p{position}", [])
        return await left.pop(0)() if left else Answer(200)


class WatchStub:
    """Keeps what it is told."""

    def __init__(self):
        """Begin empty."""
        self.outcomes = []

    def attempted(self, attempt):
        """Keep the outcome of *attempt*."""
        self.outcomes.append((attempt.number, str(attempt.outcome)))


@asynccontextmanager
async def delivering(spool, backend, watch):
    """Deliver during a block, and stop without a drain."""
    delivery = Delivery(spool.outbox, backend, watch, Plan(slots=2, limits=ANY))
    running = asyncio.create_task(delivery.run())
    yield delivery
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def after(event, answer):
    """Return an answer that comes once *event* is set."""

    async def wait():
        await event.wait()
        return answer

    return wait


@pytest.mark.parametrize("status", [503, 400])
async def test_a_drain_ends_the_wait_of_a_single_batch(tmp_path, monkeypatch, status):
    """A batch that waits alone, while others got through, has its chance at once."""
    monkeypatch.setattr(module, "waits", lambda: repeat(1000.0))
    other_is_through = asyncio.Event()
    backend = BackendStub(p1=[after(other_is_through, Answer(status))])
    watch = WatchStub()
    async with a_spool(tmp_path) as spool:
        async with delivering(spool, backend, watch) as delivery:
            await spool.append([an_event(1, instance=1)])
            await eventually(lambda: backend.posts == [1])
            await spool.append([an_event(2, instance=2)])
            await eventually(lambda: spool.waiting.rows == 1)
            other_is_through.set()
            await eventually(lambda: len(watch.outcomes) == 2)

            await asyncio.wait_for(delivery.drain(60), 5)

        assert backend.posts == [1, 2, 1]
        assert watch.outcomes[-1] == (2, "delivered")
        assert spool.outbox.empty.is_set()


async def test_a_single_batch_that_is_blocked_is_probed(tmp_path, monkeypatch):
    """However long its own waits have grown, a refused batch waits 30 s at most."""
    monkeypatch.setattr(module, "waits", lambda: repeat(1000.0))
    monkeypatch.setattr(module, "BLOCKED_SECONDS", 0.01)
    other_is_through = asyncio.Event()
    backend = BackendStub(p1=[after(other_is_through, Answer(404))])
    async with a_spool(tmp_path) as spool, delivering(spool, backend, WatchStub()):
        await spool.append([an_event(1, instance=1)])
        await eventually(lambda: backend.posts == [1])
        await spool.append([an_event(2, instance=2)])
        await eventually(lambda: spool.waiting.rows == 1)
        other_is_through.set()

        await eventually(spool.outbox.empty.is_set)

    assert backend.posts == [1, 2, 1]


async def test_a_blocked_backend_is_probed(tmp_path, monkeypatch):
    """However long its pauses have grown, a blocked backend is asked every 30 s."""
    monkeypatch.setattr("exporter.delivery.clock.waits", lambda: repeat(1000.0))
    monkeypatch.setattr(module, "BLOCKED_SECONDS", 0.01)
    yes = asyncio.Event()
    yes.set()
    backend = BackendStub(p1=[after(yes, Answer(401))] * 3)
    async with a_spool(tmp_path) as spool, delivering(spool, backend, WatchStub()):
        await spool.append([an_event(1)])
        await eventually(spool.outbox.empty.is_set)

    assert backend.posts == [1, 1, 1, 1]
