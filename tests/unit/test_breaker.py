"""A failing backend gets no requests, then one probe, and then more and more."""

import pytest

from devkit.clock import Clock
from exporter.delivery.breaker import (
    FAILURES_IN_A_ROW,
    TROUBLED_SECONDS,
    UNLIMITED,
    WORKS_SECONDS,
    Breaker,
    Cause,
    State,
    wait_after,
)


@pytest.fixture
def time():
    """Return the clock of the test."""
    return Clock()


@pytest.fixture
def breaker(time, monkeypatch):
    """Return a breaker of four slots, whose random waits have their largest length."""
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    return Breaker(4, time)


def fail(breaker, *, after=0.0, **how):
    """Begin an attempt as soon as possible; it fails *after* so many seconds."""
    breaker._now.seconds += breaker.pause
    ticket = breaker.begin()
    breaker._now.seconds += after
    breaker.failed(ticket, **how)


def succeed(breaker):
    """Begin an attempt as soon as possible; it succeeds."""
    breaker._now.seconds += breaker.pause
    breaker.delivered(breaker.begin())


def opened(breaker):
    """Fail until the breaker opens."""
    while breaker.state is State.CLOSED:
        fail(breaker)
    return breaker


def at_once(breaker):
    """Return all tickets that are available now."""
    return list(iter(breaker.begin, None))


BLOCKED = {"cause": Cause.BLOCKED, "at_once": True}


def test_waits_grow_to_a_minute():
    """The longest wait doubles with each failure, up to a minute."""
    drawn = [list(map(wait_after, range(1, 9))) for _ in range(200)]

    for bound, lengths in zip(
        [1, 2, 4, 8, 16, 32, 60, 60], zip(*drawn, strict=True), strict=True
    ):
        assert min(lengths) >= 0
        assert max(lengths) <= bound
        # Full jitter: all of the range is used, half of it on average.
        assert min(lengths) < 0.2 * bound
        assert max(lengths) > 0.8 * bound


def test_a_backend_that_is_well(breaker):
    """The number of requests in flight is limited to the number of slots."""
    first, *others = at_once(breaker)

    assert len(others) == 3
    assert not first.probe
    breaker.delivered(first)
    assert len(at_once(breaker)) == 1


def test_a_failure_pauses_nobody(breaker, time):
    """A failure doesn't pause the backend, not even four at the same time."""
    for ticket in at_once(breaker):
        breaker.failed(ticket)

    assert (breaker.pause, len(at_once(breaker))) == (0, 4)
    assert breaker.troubled
    time.seconds += TROUBLED_SECONDS
    assert not breaker.troubled


def test_half_of_the_slots_for_what_is_risky(breaker):
    """Risky requests get half of the slots while others wait, and else all of them."""
    risky = [breaker.begin(risky=True, shared=True) for _ in range(3)]
    assert [ticket is None for ticket in risky] == [False, False, True]
    assert breaker.begin(risky=True) is not None
    assert breaker.begin(shared=True) is not None
    assert breaker.begin() is None

    breaker.failed(risky[0])
    assert breaker.begin(risky=True, shared=True) is None
    breaker.failed(risky[1])
    assert breaker.begin(risky=True, shared=True) is not None


def test_others_fail_while_some_get_through(breaker):
    """Only failures in a row count, and not those of events that fail alone."""
    for _ in range(3 * FAILURES_IN_A_ROW):
        fail(breaker, alone=True)
        fail(breaker)
        if breaker.failures == FAILURES_IN_A_ROW - 1:
            succeed(breaker)

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)


def test_what_is_known_to_fail_by_itself(breaker):
    """A request that is known to fail neither pauses nor opens the breaker."""
    for _ in range(2 * FAILURES_IN_A_ROW):
        fail(breaker, known_to_fail=True)

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)


def test_failures_in_a_row_open(breaker):
    """A dozen failures in a row open the breaker; then a single probe is sent."""
    for _ in range(FAILURES_IN_A_ROW - 1):
        fail(breaker)
        assert breaker.state is State.CLOSED
    fail(breaker)

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.FAILING)
    assert breaker.begin() is None
    breaker._now.seconds += breaker.pause
    (probe,) = at_once(breaker)
    assert (probe.probe, breaker.state) == (True, State.HALF_OPEN)


def test_a_probe_that_fails(breaker):
    """A failed probe keeps the breaker open; the waits grow every few probes."""
    opened(breaker)
    pauses = [breaker.pause]
    for _ in range(31):
        fail(breaker)
        assert breaker.state is State.OPEN
        pauses.append(breaker.pause)

    assert pauses[:9] == [1, 1, 1, 2, 2, 2, 2, 4, 4]
    assert pauses[-1] == 60


def test_slots_open_one_by_one(breaker, time):
    """After a successful probe, each success allows one more request in flight."""
    opened(breaker)
    time.seconds += breaker.pause
    in_flight = at_once(breaker)
    assert len(in_flight) == 1
    for slots in (1, 2, 3, 4, 4):
        time.seconds += 0.01
        breaker.delivered(in_flight.pop())
        assert breaker.state is State.CLOSED
        in_flight += at_once(breaker)
        assert len(in_flight) == slots


def sizes(breaker, successes):
    """Return the sizes of the next requests, all of which succeed."""
    found = []
    for _ in range(successes):
        ticket = breaker.begin()
        found.append(ticket.events)
        breaker.delivered(ticket, ticket.events)
    return found


def test_requests_grow_with_success(breaker, time):
    """After a successful probe, requests double with each success."""
    opened(breaker)
    time.seconds += breaker.pause

    assert sizes(breaker, 5) == [1, 1, 2, 4, 8]
    assert sizes(breaker, 30)[-1] == UNLIMITED


def test_a_size_that_fails(breaker):
    """After a failure requests are half as large, and grow by one with each success."""
    breaker.shrink(50)
    assert sizes(breaker, 3) == [25, 26, 27]

    breaker.shrink(7)
    assert sizes(breaker, 3) == [4, 5, 6]
    breaker.shrink(50)
    assert sizes(breaker, 1) == [7]


def test_what_is_sent_one_by_one(breaker):
    """Requests grow again after twice as many single events as the slow batch had."""
    breaker.shrink(3, 5.0)

    assert sizes(breaker, 9) == [1] * 7 + [2, 3]


def test_how_long_events_are_sent_one_by_one(breaker, time):
    """Events are sent one by one until they took as long as the slow request."""
    ticket = breaker.begin()
    time.seconds += 0.5
    breaker.delivered(ticket)
    breaker.shrink(1, 5.0)
    breaker.shrink(1, 5.0)

    assert sizes(breaker, 13) == [1] * 13
    assert sizes(breaker, 2) == [2, 3]


def test_part_of_a_batch_tells_nothing_about_sizes(breaker):
    """Requests grow only by events that are sent for the first time."""
    breaker.shrink(6)
    breaker.delivered(breaker.begin(), 2)
    breaker.delivered(breaker.begin())

    assert breaker.events == 3


def test_what_began_before_it_opened(breaker, time):
    """An older request changes nothing if it fails, and closes if it succeeds."""
    leftovers = at_once(breaker)[:2]
    breaker._in_flight[False] = 2  # the other two were never sent
    opened(breaker)
    time.seconds += breaker.pause
    (probe,) = at_once(breaker)

    time.seconds += 1
    breaker.failed(leftovers[0])
    assert (breaker.state, breaker.begin()) == (State.HALF_OPEN, None)
    breaker.delivered(leftovers[1])
    assert breaker.state is State.CLOSED

    breaker.failed(probe, alone=True)
    assert breaker.state is State.CLOSED


def test_what_a_success_proves(breaker, time):
    """A success shows that the setup was right when its request began."""
    slow, quick = breaker.begin(), None
    began = time.seconds
    time.seconds += 5
    quick = breaker.begin()
    breaker.delivered(quick)
    assert breaker.success_began_at == began + 5

    time.seconds += 5
    breaker.delivered(slow)

    assert breaker.success_began_at == began + 5
    assert breaker.succeeded_at == began + 10


def test_a_pause_that_the_backend_asked_for(breaker, time):
    """Nothing is sent before the time that the backend asked for."""
    ticket, other = breaker.begin(), breaker.begin()
    time.seconds += 1
    breaker.failed(ticket)
    breaker.hold_off(20.0)
    breaker.delivered(other)
    breaker.end_pause()

    assert breaker.pause == 20.0
    time.seconds += 19.9
    assert breaker.begin() is None
    time.seconds += 0.2
    assert breaker.begin() is not None


def test_a_blocked_backend(breaker):
    """A blocked answer opens at once; probes follow every half a minute or sooner."""
    fail(breaker, **BLOCKED)

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.BLOCKED)
    for _ in range(30):
        fail(breaker, cause=Cause.BLOCKED)
        assert breaker.pause <= 30
    assert breaker.pause == 30
    breaker.end_pause()
    probe = breaker.begin()
    assert probe.probe
    breaker.delivered(probe)
    assert (breaker.state, breaker.cause) == (State.CLOSED, None)


def test_whether_the_setup_is_right(breaker, time):
    """The setup works for a while after a success, unless the breaker opens."""
    assert not breaker.works
    succeed(breaker)
    assert breaker.works
    time.seconds += WORKS_SECONDS
    assert not breaker.works
    succeed(breaker)
    breaker.block()
    assert not breaker.works


def test_an_answer_that_refuses_is_an_answer(breaker, time):
    """A refused probe closes the breaker, because the backend answers."""
    opened(breaker)
    time.seconds += breaker.pause

    breaker.refused(breaker.begin())

    assert (breaker.state, breaker.pause) == (State.CLOSED, 0)
    assert len(at_once(breaker)) == 1


def test_a_backend_that_refuses_everything(breaker, time):
    """Probes are frequent at first and rare later; only a success closes it."""
    breaker.block()
    probes = []
    began = time.seconds
    while time.seconds < began + 24 * 3600:
        time.seconds += breaker.pause + 0.01
        breaker.refused(breaker.begin())
        probes.append(time.seconds - began)
        assert (breaker.state, breaker.cause) == (State.OPEN, Cause.REFUSING)
        assert breaker.begin() is None
    assert breaker.pause == 30
    assert sum(at < 10 for at in probes) > 300
    assert len(probes) < 6000
    fail(breaker)
    assert breaker.cause is Cause.REFUSING

    time.seconds += breaker.pause
    succeed(breaker)

    assert (breaker.state, breaker.cause) == (State.CLOSED, None)
