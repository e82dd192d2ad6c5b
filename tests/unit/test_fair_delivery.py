"""Events that fail, hang or are refused don't delay the others."""

import random

import pytest

from exporter.delivery import Answer, Cause
from tests.unit.simulated import HANG, TIMEOUT, among, one_in, simulate

pytestmark = pytest.mark.slow  # minutes of a simulated time take seconds
FAILS, REFUSED, FORBIDDEN = Answer(500), Answer(400), Answer(403)
FORMERLY = 100
"""Good events before what a test is about, so that the backend is known to work."""


async def after_good_ones(simulation, *bulks):
    """Send good events and then each of *bulks* at once."""
    simulation.send(range(1, FORMERLY + 1))
    await simulation.until(lambda: not simulation.missing, within=10)
    for bulk in bulks:
        simulation.send(bulk)


@pytest.mark.parametrize(
    "share, answer", [(0.5, FAILS), (0.5, REFUSED), (0.5, FORBIDDEN), (0.02, FAILS)]
)
def test_a_share_of_events_fails_at_once(monkeypatch, share, answer):
    """Whatever the share, all other events arrive at the rate at which they come."""

    async def story(simulation):
        await after_good_ones(simulation)
        await simulation.stream(per_second=100, seconds=6)

        assert len(simulation.missing) < 0.02 * len(simulation.good)
        assert simulation.p99() < TIMEOUT

    simulate(monkeypatch, story, one_in(share, answer), latency=0.02)


def test_a_share_of_events_hangs(monkeypatch):
    """With a slot for each hanging event, all others arrive at their rate."""

    async def story(simulation):
        await after_good_ones(simulation)
        await simulation.stream(per_second=60, seconds=40)

        assert len(simulation.missing) < 0.02 * len(simulation.good)
        assert simulation.p99() < 2 * TIMEOUT

    simulate(monkeypatch, story, one_in(0.025, HANG), slots=12, latency=0.02)


def test_one_hanging_event_in_each_batch(monkeypatch):
    """Other events of their batches wait for three timeouts, not for dozens."""
    bad = range(FORMERLY + 20, FORMERLY + 400, 50)

    async def story(simulation):
        await after_good_ones(simulation, range(FORMERLY + 1, FORMERLY + 401))

        # Four slots find four of them at a time.
        assert await simulation.all_arrive(within=100) < 3 * TIMEOUT + 2

    simulate(monkeypatch, story, among(bad, HANG))


@pytest.mark.parametrize(
    "answer, slots",
    [(REFUSED, 4), (FORBIDDEN, 4), (FAILS, 4), (HANG, 4), (REFUSED, 1), (FAILS, 1)],
)
def test_many_bad_events_in_a_row(monkeypatch, answer, slots):
    """Good events after a burst of bad ones arrive within seconds."""
    bad = range(FORMERLY + 1, FORMERLY + 300)

    async def story(simulation):
        await after_good_ones(simulation, bad)
        await simulation.stream(per_second=20, seconds=20)
        await simulation.all_arrive(within=3 * TIMEOUT)

        assert simulation.p99() < 3 * TIMEOUT
        if answer is REFUSED:
            assert set(simulation.observer.dead) == set(bad)

    simulate(monkeypatch, story, among(bad, answer), slots=slots)


def test_a_good_event_next_to_a_bad_one(monkeypatch):
    """After a blocked answer, an event is bad only if it was refused alone before."""
    bad, good = FORMERLY + 2, FORMERLY + 3
    answers = {bad: [REFUSED] * 9, good: []}

    async def story(simulation):
        await after_good_ones(simulation, range(FORMERLY + 1, good + 1))
        answers[good].append(FORBIDDEN)
        await simulation.until(simulation.outbox.empty.is_set, within=60)

        assert simulation.backend.posts[-2:] == [[good], [good]]
        assert [*simulation.observer.dead] == [bad]

    def answer(position):
        left = answers.get(position)
        return left.pop() if left else None

    simulate(monkeypatch, story, answer)


@pytest.mark.parametrize("share", [0.9, 0.99])
def test_a_backlog_that_is_mostly_refused(monkeypatch, share):
    """The backlog drains: good events are delivered, the others become dead letters."""
    refused, last = one_in(share, REFUSED), 800

    async def story(simulation):
        simulation.send(range(1, last + 1))
        await simulation.all_arrive(within=60)
        # The last ones are decided by events that come later and are taken.
        await simulation.stream(per_second=10, seconds=10)
        await simulation.until(simulation.outbox.empty.is_set, within=30)

        expected = [n for n in range(1, last + 1) if refused(n)]
        assert sorted(simulation.observer.dead) == expected

    simulate(monkeypatch, story, lambda n: refused(n) if n <= last else None)


@pytest.mark.parametrize(
    "answer, cause", [(REFUSED, Cause.REFUSING), (FORBIDDEN, Cause.BLOCKED)]
)
def test_a_setup_that_breaks(monkeypatch, answer, cause):
    """A backend that stops accepting makes no dead letters, and gets few requests."""
    broken = True

    async def story(simulation):
        nonlocal broken
        await after_good_ones(simulation, range(FORMERLY + 1, 401))
        await simulation.passes(100)
        assert simulation.delivery.breaker.cause is cause
        asked = len(simulation.backend.posts)
        await simulation.passes(100)
        assert len(simulation.backend.posts) - asked < 300
        broken = False
        await simulation.until(simulation.outbox.empty.is_set, within=120)
        assert simulation.outbox.empty.is_set()
        assert simulation.observer.dead == {}

    simulate(monkeypatch, story, lambda n: answer if broken and n > FORMERLY else None)


def test_failing_events_get_a_share_of_the_slots(monkeypatch):
    """Events that are known to hang get at most an eighth of the slots' time."""
    bad = range(FORMERLY + 1, FORMERLY + 9)

    async def story(simulation):
        await after_good_ones(simulation, bad)
        everything_is_known = 50
        await simulation.stream(per_second=10, seconds=everything_is_known)
        asked = len(simulation.backend.posts)
        await simulation.stream(per_second=10, seconds=100)
        tried = [post for post in simulation.backend.posts[asked:] if post[0] in bad]

        assert len(tried) * TIMEOUT <= 4 * 100 / 8 + 2 * TIMEOUT
        assert {post[0] for post in tried} == set(bad)

    simulate(monkeypatch, story, among(bad, HANG))


@pytest.mark.parametrize("most", [1, 10])
def test_a_size_that_failed_is_remembered(monkeypatch, most):
    """A backend that accepts only small batches rarely gets larger ones."""
    events = 100 * most

    async def story(simulation):
        simulation.backend.answer = lambda positions: (
            simulation.answer(positions) if len(positions) <= most else FAILS
        )
        simulation.send(range(1, events + 1))
        await simulation.all_arrive(within=60)

        outcomes = simulation.observer.outcomes
        assert outcomes.count("postponed") < 0.4 * len(outcomes)
        assert len(outcomes) < 2.2 * events / most

    simulate(monkeypatch, story)


def test_retry_after_for_one_event(monkeypatch):
    """One event with Retry-After pauses delivery for at most a fifth of the time."""
    bad = {FORMERLY + 1}

    async def story(simulation):
        await after_good_ones(simulation, bad)
        await simulation.stream(per_second=10, seconds=100)
        began = [post for post in simulation.backend.posts if bad & {*post}]

        assert 2 < len(began) < 100 / (5 * 4) + 5
        assert simulation.p99() < 2 * TIMEOUT

    simulate(monkeypatch, story, among(bad, Answer(503, retry_after=4.0)))


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("answer", [Answer(503, retry_after=1.0), Answer(429)])
def test_retry_after_for_one_event_of_each_batch(monkeypatch, slots, answer):
    """A batch that fails again after the pause is sent in parts."""

    async def story(simulation):
        simulation.send(range(1, 201))
        await simulation.all_arrive(within=120)

    simulate(monkeypatch, story, among(range(20, 200, 50), answer), slots=slots)


@pytest.mark.parametrize("failures", [0, 3, 6])
def test_retry_after_for_large_batches(monkeypatch, failures):
    """Batches that get Retry-After get smaller, also after single events failed."""

    async def story(simulation):
        await after_good_ones(simulation)
        simulation.backend.answer = lambda positions: (
            simulation.answer(positions)
            if len(positions) < 8
            else Answer(503, retry_after=1.0)
        )
        simulation.delivery.breaker.failures = failures
        simulation.send(range(FORMERLY + 1, FORMERLY + 201))
        await simulation.all_arrive(within=120)

    simulate(monkeypatch, story, slots=1)


MOMENTS = [FAILS, HANG, REFUSED, FORBIDDEN, Answer(429), Answer(503, retry_after=1.0)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slots", [1, 4])
def test_whatever_happens_lanes_keep_their_order(monkeypatch, slots, seed):
    """Each event arrives once and in the order of its lane, or is a dead letter."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    lanes = 40

    async def story(simulation):
        async def moody(positions):
            if chance.random() < 0.3:
                await simulation.passes(chance.random())
                return chance.choice(MOMENTS)
            return await simulation.answer(positions)

        simulation.backend.answer = moody
        for first in range(1, 2000, 100):
            positions = range(first, first + 100)
            simulation.send(positions, instance=lambda n: 1 + n * n % lanes)
            await simulation.passes(chance.uniform(0, 5))
        simulation.backend.answer = simulation.answer
        simulation.send([2001])
        await simulation.until(lambda: 2001 in simulation.arrived, within=300)
        simulation.send([2002])
        await simulation.until(simulation.outbox.empty.is_set, within=1000)

        taken = simulation.backend.taken
        assert sorted([*taken, *simulation.observer.dead]) == list(range(1, 2003))
        for lane in range(lanes):
            arrived = [n for n in taken if n < 2001 and n * n % lanes == lane]
            assert arrived == sorted(arrived)

    simulate(monkeypatch, story, slots=slots)
