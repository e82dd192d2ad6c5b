"""The tools cause the planned faults."""

import asyncio
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from devkit.backend import Stub
from devkit.waiting import ended, eventually
from tests.faults.broker import Load, StubBroker
from tests.faults.engine import Contents, Log
from tests.faults.history import History
from tests.faults.plan import ALL, STORM_OF, Fault, Kind, Plan, RetryAfter, Weighted
from tests.faults.soak import Sample, growth
from tests.faults.stub import StubBackend

BODY = b'{"events":[{"id":"1"}]}'
IDS = {"X-Event-Ids": "1-1-1"}
SOON = 0.3
"""Seconds after which an answer counts as hanging."""


def only(fault):
    """Return a plan with *fault* for every request."""
    return Plan("seed", 1.0, [Weighted(1, [fault])])


async def posted(backend, history, patience=30.0):
    """
    Post an event to *backend*; return status and headers, or the name of the failure.

    Give up *patience* seconds after *history* has the arrival.
    """
    posting = asyncio.create_task(_post(backend.url))
    await eventually(lambda: history.posts)
    await asyncio.wait([posting], timeout=patience)
    if posting.done():
        return posting.result()
    await ended(posting)
    return "timeout", {}


async def _post(url):
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url, data=BODY, headers=IDS) as answer:
                status = answer.status
                await answer.read()
                return status, answer.headers
        except aiohttp.ClientPayloadError:
            return status, "half"
        except aiohttp.ClientError:
            return "broken", {}


@pytest.mark.parametrize(
    "kind, status, answer, taken",
    [
        (Kind.DELAY, 200, 200, True),
        (Kind.LOST, 503, "broken", True),
        (Kind.RESET, 503, "broken", False),
        (Kind.HANG, 503, "timeout", False),
        (Kind.HANG_BODY, 200, "timeout", True),
        (Kind.HANG_BODY, 503, "timeout", False),
        (Kind.HALF_HEAD, 503, "broken", True),
        (Kind.HALF_BODY, 200, 200, True),
        (Kind.HALF_BODY, 503, 503, False),
        (Kind.DRIP, 200, "timeout", True),
        (Kind.STATUS, 425, 425, False),
        (Kind.LATE, 503, "timeout", True),
    ],
)
async def test_faults(kind, status, answer, taken):
    """Each fault has the planned effect on the client and on the events."""
    history = History()
    patience = SOON if answer == "timeout" else 30.0
    async with StubBackend(history, only(Fault(kind, status))) as backend:
        seen, _ = await posted(backend, history, patience)
        if kind is Kind.LATE:  # takes the events after the client has given up
            assert not history.recorded
            await eventually(lambda: history.recorded)

    assert seen == answer
    assert bool(history.recorded) is taken
    assert len(history.posts) == 1


@pytest.mark.parametrize("form", [RetryAfter.SECONDS, RetryAfter.DATE])
async def test_retry_after(form):
    """The wait in the history is never longer than the one in the header."""
    history = History()
    plan = only(Fault(Kind.STATUS, 429, form, 1.0))
    before = time.time()
    async with StubBackend(history, plan) as backend:
        _, headers = await posted(backend, history)
    after = time.time()

    least = most = headers["Retry-After"]
    if form is RetryAfter.DATE:
        until = parsedate_to_datetime(most).timestamp()
        least, most = until - after, until - before
    assert float(least) <= 2.0
    assert float(most) >= 1.0
    assert history.posts[0].retry_after <= float(most)


async def test_certainty():
    """A 2xx counts as read when the connection carries another post."""
    history = History()
    async with (
        StubBackend(history, Plan("seed", 0.0)) as backend,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(2):
            async with session.post(backend.url, data=BODY, headers=IDS) as answer:
                await answer.read()

    assert [post.certain for post in history.posts] == [True, False]


def test_plans_can_be_repeated():
    """The faults depend only on the seed."""
    first, same, other = (
        [plan.next() for _ in range(300)]
        for plan in (Plan(seed, 0.5, storms=0.02) for seed in ("1", "1", "2"))
    )

    assert first == same != other
    assert 3 * [STORM_OF] in (first[n : n + 3] for n in range(300))
    assert {each.kind for each in first if each} == set(Kind)
    assert {fault.kind for sort in ALL for fault in sort.faults} == set(Kind)


def test_logs_can_be_repeated():
    """A log depends only on its seed, and holds records of every kind."""
    contents = Contents(bad=0.05)
    logs = [Log(1, seed, History(), contents) for seed in ("1", "1", "2")]
    first, same, other = ([log.next() for _ in range(300)] for log in logs)

    assert first == same != other
    assert any(sent.event for sent in first)
    assert any(sent.unmappable for sent in first)
    assert any(not sent.event and not sent.unmappable for sent in first)


async def test_the_broker_insists():
    """A request is repeated until it is accepted, and only then comes the next."""
    statuses = iter([503, 429, 200])
    history = History()
    async with Stub(lambda _: next(statuses, 200)) as stub:
        load = Load(partitions=1, restarts=0.0)
        broker = StubBroker(history, f"{stub.url}/_bulk", "seed", load)
        exporting = asyncio.create_task(broker.run())
        await eventually(lambda: history.bulks >= 2)
        broker.finish()
        await exporting

    bodies = [request.body for request in stub.requests]
    assert bodies[0] == bodies[1] == bodies[2] != bodies[3]
    assert history.repeats > 0
    assert history.owed <= history.issued.keys()


def test_growth():
    """A soak test fails if memory, files or connections grow beyond their limits."""
    before, after = Sample(50, 10, 20, 5, 0), Sample(56, 10.5, 29, 13, 900)

    assert growth([before] * 20) == []
    assert growth([before] * 20 + [after] * 3) == [
        "rss_mib grew from 50 to 56",
        "handles grew from 20 to 29",
    ]
