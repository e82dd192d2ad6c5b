"""A drain delivers all events that can be delivered, and waits for no others."""

import asyncio
from dataclasses import replace

import pytest

from devkit.waiting import eventually
from exporter.delivery import Answer
from tests.unit.deliveries import LATER, NO, YES, make_waits_long, unless
from tests.unit.spools import ANY, only


async def test_a_drain_waits_for_no_batch_to_become_full(deliver):
    """A batch that waits for more events is sent at once when the service stops."""
    limits = replace(ANY, linger_seconds=1000)
    async with deliver(limits=limits) as story:
        await story.send(1)

        await asyncio.wait_for(story.delivery.drain(60), 30)

        assert story.backend.taken == [1]


@pytest.mark.parametrize("slots", [1, 4])
async def test_a_drain_of_one_long_lane(deliver, slots):
    """A drain also delivers events that are read from disk between batches."""
    async with deliver(slots=slots) as story:
        story.backend.answer = lambda _: LATER
        await story.send(*range(1, 301), instance=7)
        story.backend.answer = lambda _: YES

        await asyncio.wait_for(story.delivery.drain(60), 30)

        assert story.backend.taken == list(range(1, 301))


async def test_a_drain_does_not_sit_out_a_retry_after(deliver):
    """A Retry-After that is longer than the drain ends it at once."""
    async with deliver(
        lambda _: Answer(429, retry_after=50.0), retry_after_seconds=60
    ) as story:
        await story.send(1)
        await eventually(lambda: story.delivery.breaker.pause > 40)

        await asyncio.wait_for(story.delivery.drain(30), 30)

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

        await asyncio.wait_for(story.delivery.drain(60), 30)

        assert story.backend.posts == [[1], [2], [1]]
        assert only(story.spool).empty.is_set()


async def test_a_drain_continues_after_a_bad_event(deliver, monkeypatch):
    """Suspects neither stop other events nor delay the end of a drain."""
    make_waits_long(monkeypatch)
    async with deliver(unless(1), slots=1) as story:
        await story.send(1)
        await eventually(lambda: story.delivery.parked.suspects)
        story.backend.answer = unless(1, 2)
        await story.send(2)
        await eventually(lambda: len(story.delivery.parked.suspects) == 2)

        await asyncio.wait_for(story.delivery.drain(60), 30)

        assert story.spool.waiting.rows == 2
        assert story.observer.dead == {}


async def test_a_drain_continues_after_a_bad_batch(deliver):
    """A batch that fails while others succeed is halved in a drain, too."""
    drains, other_is_through = asyncio.Event(), asyncio.Event()

    async def answer(positions):
        await drains.wait()
        if 1 in positions:
            await other_is_through.wait()
            return LATER
        other_is_through.set()
        return YES

    async with deliver(answer) as story:
        await story.send(1, 2)
        await eventually(lambda: story.backend.posts == [[1, 2]])
        await story.send(3)
        await eventually(lambda: len(story.backend.posts) == 2)

        drain = asyncio.create_task(story.delivery.drain(60))
        await asyncio.sleep(0)
        drains.set()
        await asyncio.wait_for(drain, 30)

        assert sorted(story.backend.taken) == [2, 3]


async def test_a_drain_ends_with_the_first_failure(deliver):
    """A failure of the backend ends the drain; the other events stay."""
    async with deliver() as story:
        story.backend.answer = lambda _: LATER
        await story.send(1)
        await eventually(lambda: story.backend.posts)

        await asyncio.wait_for(story.delivery.drain(60), 30)

        asked = len(story.backend.posts)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(story.backend.posts) == asked
        assert story.spool.waiting.rows == 1
