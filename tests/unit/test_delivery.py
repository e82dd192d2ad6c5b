"""Delivery from a real spool to a stub of a backend."""

import asyncio
import gc
import time
from dataclasses import replace
from math import ceil, log2

import pytest

from devkit.waiting import eventually
from exporter.delivery import Answer, Outcome, breaker
from exporter.delivery.breaker import Cause, State
from exporter.delivery.outcome import Failure
from exporter.events import Event
from exporter.spool import SpoolFailedError
from tests.unit.deliveries import LATER, NO, YES, make_waits_long, unless
from tests.unit.spools import ANY, an_event, failing


async def test_the_breaker_is_reported(deliver):
    """The observer learns once why the breaker opens, and once that it closes."""
    answers = iter([*[LATER] * 60, Answer(401), Answer(401)])
    async with deliver(lambda _: next(answers, YES), slots=1) as story:
        await story.send(*range(1, 11))
        await story.ends()

    assert story.observer.causes == [Cause.FAILING, Cause.BLOCKED, None]


async def test_everything_is_refused(deliver, monkeypatch):
    """Twenty suspects without a success open the breaker, which is reported at once."""
    make_waits_long(monkeypatch)
    async with deliver(lambda _: NO) as story:
        await story.send(*range(1, 20))
        await eventually(lambda: len(story.delivery.parked.suspects) == 19)
        assert story.observer.causes == []

        await story.send(20)
        await eventually(lambda: story.observer.causes)
        assert story.observer.causes == [Cause.REFUSING]


@pytest.mark.parametrize(
    "size, bad, status", [(50, 1, 400), (50, 17, 413), (50, 50, 422), (2, 1, 400)]
)
async def test_one_bad_event(deliver, size, bad, status):
    """A batch is halved until its bad event is alone; only that is a dead letter."""
    answer = Answer(status, detail=f"{status} No", excerpt="because")
    async with deliver(unless(bad, answer=answer), slots=1) as story:
        await story.send(*range(1, size + 1))
        await story.ends()

    assert sorted(story.backend.taken) == [n for n in range(1, size + 1) if n != bad]
    assert len(story.backend.posts) <= 2 * ceil(log2(size)) + 2
    ((position, rejection),) = story.observer.dead.items()
    attempts = 1 + ceil(log2(size))
    assert position == bad
    assert rejection[:3] == (f"refused: {status} No", status, "because")
    assert attempts - 1 <= rejection.attempts <= attempts + 1


async def test_a_refused_event_is_a_suspect_at_first(deliver):
    """A refused event and its instance wait until another event succeeds."""
    async with deliver(unless(1)) as story:
        await story.send(1, 2, instance=7)
        story.backend.answer = unless(1, 2)
        await eventually(lambda: len(story.backend.posts) > 5)
        assert story.observer.dead == {}
        assert story.spool.waiting.rows == 2
        assert [1] in story.backend.posts
        assert [2] not in story.backend.posts

        story.backend.answer = unless(1)
        await story.send(3)
        await story.ends()

    assert list(story.observer.dead) == [1]
    assert story.backend.taken == [3, 2]


async def test_suspects_of_a_backend_that_was_fixed(deliver):
    """Events that a wrong setup refused are delivered once the setup is fixed."""
    async with deliver(lambda _: NO) as story:
        await story.send(*range(1, 11))
        await eventually(lambda: len(story.delivery.parked.suspects) == 10)
        story.backend.answer = lambda _: YES
        await story.ends()

    assert sorted(story.backend.taken) == list(range(1, 11))
    assert story.observer.dead == {}


async def test_a_success_that_began_before_proves_nothing(deliver):
    """A success that began before a refusal says nothing about the refused event."""
    slow = asyncio.Event()

    async def answer(positions):
        if positions == [1]:
            await slow.wait()
            return YES
        return NO

    async with deliver(answer) as story:
        await story.send(1)
        await eventually(lambda: story.backend.posts == [[1]])
        await story.send(*range(2, 12))
        await eventually(lambda: len(story.delivery.parked.suspects) == 10)
        slow.set()
        await eventually(lambda: story.backend.taken == [1])
        asked = len(story.backend.posts)
        await eventually(lambda: len(story.backend.posts) > asked + 20)

        assert story.observer.dead == {}
        assert story.spool.waiting.rows == 10


@pytest.mark.parametrize("slots", [1, 2])
async def test_an_event_that_makes_the_backend_fail(deliver, slots):
    """A failing event is retried again and again, and delays only its own instance."""
    async with deliver(unless(3, answer=LATER), slots=slots) as story:
        await story.send(*range(1, 11))
        await story.send(11, instance=1003)
        await eventually(lambda: story.spool.waiting.rows == 2)
        await eventually(lambda: story.backend.posts.count([3]) > 1)

        story.backend.answer = lambda _: YES
        await story.ends()

    assert story.backend.taken[-2:] == [3, 11]
    assert story.observer.dead == {}


def events_in_memory():
    """Return the number of events in memory, including those of other tests."""
    gc.collect()
    return sum(isinstance(each, Event) for each in gc.get_objects())


async def test_parked_events_are_only_on_disk(deliver, monkeypatch):
    """Memory holds no parked event; it is read from disk again for each retry."""
    make_waits_long(monkeypatch)
    bad, before = range(2, 201, 2), events_in_memory()
    async with deliver(unless(*bad, answer=LATER)) as story:
        await story.send(*range(1, 201))
        await eventually(lambda: len(story.delivery.parked) == 100)

        assert events_in_memory() - before < 20, "the last batch of each slot is"

        story.backend.answer = lambda _: YES
        story.delivery.parked.make_due(time.monotonic(), everything=True)
        await story.ends()

    assert sorted(story.backend.taken) == list(range(1, 201))


async def test_a_batch_that_fails_is_halved(deliver):
    """The halves of a failed batch are sent at once, without a pause."""
    async with deliver(unless(3, answer=LATER), slots=1) as story:
        await story.send(0)
        await eventually(lambda: story.backend.taken)
        await story.send(1, 2, 3, 4)
        await eventually(lambda: len(story.backend.taken) == 4)
        halved = story.backend.posts[1:6]
        story.backend.answer = lambda _: YES
        await story.ends()

    assert halved == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]


async def test_a_batch_that_times_out_is_sent_one_by_one(deliver):
    """The events of a slow batch return to the spool, and are sent one by one."""
    hang = Answer(failure=Failure.TIMEOUT)
    async with deliver(unless(3, answer=hang), slots=1) as story:
        await story.spool.append([an_event(n, instance=n % 2 + 1) for n in range(1, 7)])
        await eventually(lambda: len(story.backend.taken) == 4)
        tried = list(dict.fromkeys(map(tuple, story.backend.posts)))
        story.backend.answer = lambda _: YES
        await story.ends()

    assert tried == [(1, 2, 3, 4, 5, 6), (1,), (2,), (3,), (4,), (6,)]
    assert story.backend.taken == [1, 2, 4, 6, 3, 5]


async def test_a_block_for_one_event(deliver):
    """A blocked answer while other events succeed is a refusal of the event."""
    async with deliver(unless(33, answer=Answer(403)), slots=1) as story:
        await story.send(*range(1, 10))
        await eventually(lambda: len(story.backend.taken) == 9)
        await story.send(*range(10, 61))
        await story.ends()

    assert sorted(story.backend.taken) == [n for n in range(1, 61) if n != 33]
    assert list(story.observer.dead) == [33]
    assert story.observer.causes == []


async def test_a_probe_is_one_event(deliver):
    """While the breaker is open, a probe holds a single event."""
    async with deliver(lambda _: LATER, slots=4) as story:
        await story.send(*range(1, 201))
        await eventually(lambda: story.delivery.breaker.state is not State.CLOSED)
        asked = len(story.backend.posts)
        await eventually(lambda: len(story.backend.posts) > asked + 5)
        probes = story.backend.posts[asked + 1 :]
        story.backend.answer = lambda _: YES
        await story.ends()

    assert {len(probe) for probe in probes} == {1}


async def test_retry_after(deliver):
    """No slot sends a request before the time that the backend asked for."""
    times = []

    def answer(_):
        times.append(time.monotonic())
        return Answer(429, retry_after=0.2) if len(times) == 1 else YES

    async with deliver(answer, slots=4) as story:
        await story.send(1)
        await eventually(lambda: times)
        await story.send(2, 3)
        await story.ends()

    assert times[1] - times[0] >= 0.2


async def test_retry_after_has_a_limit(deliver):
    """A Retry-After of a year is cut to the limit of the plan."""
    answers = iter([Answer(503, retry_after=31_536_000.0)])
    async with deliver(lambda _: next(answers, YES), retry_after_seconds=0.01) as story:
        await story.send(1)
        await story.ends()

    assert story.backend.posts == [[1], [1]]


async def test_events_that_are_too_old(deliver):
    """An event beyond the age limit is a dead letter; later events are delivered."""
    now = time.time_ns() // 1_000_000
    async with deliver(max_age_seconds=60) as story:
        await story.spool.append(
            [an_event(1, timestamp=now - 61_000), an_event(2, timestamp=now)]
        )
        await story.ends()

    assert story.backend.taken == [2]
    assert "MAX_EVENT_AGE_MS" in story.observer.dead[1].reason


async def test_a_status_may_mean_something_else(deliver):
    """The plan can override the outcome of a status."""
    outcomes = {409: Outcome.DELIVERED}
    async with deliver(lambda _: Answer(409), outcomes=outcomes) as story:
        await story.send(1, 2)
        await story.ends()

    assert story.backend.posts == [[1, 2]]
    assert story.observer.dead == {}


async def test_new_credentials_end_a_block(deliver, monkeypatch):
    """A blocked backend gets all events again as soon as its credentials change."""
    monkeypatch.setattr(breaker, "wait_after", lambda _: 1000.0)
    monkeypatch.setattr("exporter.delivery.pieces.wait_after", lambda _: 1000.0)
    monkeypatch.setattr("exporter.delivery.delivery.LOOK_SECONDS", 0.01)
    answers = iter([Answer(401)])
    async with deliver(lambda _: next(answers, YES)) as story:
        await story.send(1)
        await eventually(lambda: story.delivery.breaker.cause is Cause.BLOCKED)
        assert story.delivery.breaker.pause > 25
        story.backend.changed = True
        await story.ends()

    assert story.backend.posts == [[1], [1]]


async def test_a_failing_disk_holds_delivery_up(deliver, monkeypatch):
    """While a batch can't be settled, its slot sends at most one more batch."""
    monkeypatch.setattr("exporter.spool.outbox.RETRY_SECONDS", 0.01)
    limits, answering = replace(ANY, events=1), asyncio.Event()

    async def answer(_):
        await answering.wait()
        return YES

    async with deliver(answer, slots=1, limits=limits) as story:
        await story.send(*range(1, 11))
        async with failing(story.spool):
            answering.set()
            await eventually(lambda: len(story.backend.taken) == 2)
            for _ in range(5):
                with pytest.raises(SpoolFailedError):
                    await story.spool.check_writable()
            assert story.backend.taken == [1, 2]
        await story.ends()

    assert story.backend.taken == list(range(1, 11))
