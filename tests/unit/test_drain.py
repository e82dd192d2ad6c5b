"""A drain delivers all events that can be delivered, and waits for no others."""

import asyncio
from dataclasses import replace

import pytest

from devkit.waiting import eventually
from exporter.delivery import Answer
from tests.unit.deliveries import LATER, NO, YES, make_waits_long, unless
from tests.unit.spools import ANY


async def test_a_drain_waits_for_no_batch_to_become_full(deliver):
    """A batch that waits for more events is sent at once when the service stops."""
    limits = replace(ANY, linger_seconds=1000)
    async with deliver(limits=limits) as story:
        await story.send(1)

        await story.drain()

        assert story.backend.taken == [1]


async def test_a_drain_of_one_long_lane(deliver):
    """A drain also delivers events that are read from disk between batches."""
    async with deliver(slots=1) as story:
        await story.send(*range(1, 301), instance=7)

        await story.drain()

        assert story.backend.taken == list(range(1, 301))


async def test_a_drain_does_not_sit_out_a_retry_after(deliver):
    """A Retry-After that is longer than the drain ends it at once."""
    answer, plan = Answer(429, retry_after=90.0), {"retry_after_seconds": 100}
    async with deliver(lambda _: answer, **plan) as story:
        await story.send(1)
        await eventually(lambda: story.delivery.breaker.pause > 70)

        await story.drain()

        assert story.backend.posts == [[1]]


@pytest.mark.parametrize("answer", [LATER, NO, Answer(404)])
async def test_a_drain_retries_parked_events(deliver, monkeypatch, answer):
    """A drain retries parked events at once."""
    make_waits_long(monkeypatch)
    other_is_through = asyncio.Event()

    async def first(positions):
        if positions == [1]:
            await other_is_through.wait()
            return answer
        other_is_through.set()
        return YES

    async with deliver(first) as story:
        await story.send(1)
        await eventually(lambda: story.backend.posts == [[1]])
        await story.send(2)
        await eventually(lambda: len(story.observer.outcomes) == 2)
        story.backend.answer = lambda _: YES

        await story.drain()

        assert story.backend.posts == [[1], [2], [1]]
        assert story.spool.waiting.rows == 0


async def test_a_drain_continues_after_a_bad_event(deliver, monkeypatch):
    """Suspects neither stop other events nor delay the end of a drain."""
    make_waits_long(monkeypatch)
    async with deliver(unless(1), slots=1) as story:
        await story.send(1)
        await eventually(lambda: story.delivery.parked.suspects)
        story.backend.answer = unless(1, 2)
        await story.send(2)
        await eventually(lambda: len(story.delivery.parked.suspects) == 2)

        await story.drain()

        assert story.spool.waiting.rows == 2
        assert story.observer.dead == {}


async def test_a_drain_continues_after_a_failing_event(deliver):
    """One event that fails doesn't end a drain, whether others succeeded or not."""
    drains = asyncio.Event()

    async def answer(positions):
        await drains.wait()
        return LATER if 1 in positions else YES

    async with deliver(answer, slots=1) as story:
        await story.send(1, 2, 3)
        await eventually(lambda: story.backend.posts)

        drain = asyncio.create_task(story.drain())
        await asyncio.sleep(0)
        drains.set()
        await drain

        assert sorted(story.backend.taken) == [2, 3]


@pytest.mark.parametrize(
    "answer, most", [(LATER, 20), (Answer(404), 1), (Answer(503, retry_after=9.0), 1)]
)
async def test_a_drain_ends_when_the_backend_stops_accepting(deliver, answer, most):
    """Three failures in a row, a wrong setup or a pause end a drain; events stay."""
    begun = asyncio.Event()

    async def failing(_):
        await begun.wait()
        return answer

    async with deliver(failing) as story:
        await story.send(*range(1, 11))
        await eventually(lambda: story.backend.posts)

        drain = asyncio.create_task(story.drain())
        await asyncio.sleep(0)
        begun.set()
        await drain

        asked = len(story.backend.posts)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(story.backend.posts) == asked <= most
        assert story.spool.waiting.rows == 10
