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


def begin(breaker):
    """Begin an attempt as soon as possible, and return its ticket."""
    breaker._now.seconds += breaker.pause
    return breaker.begin()


def opened(breaker):
    """Fail until the breaker opens, and return the number of failures."""
    failures = 0
    while breaker.state is State.CLOSED:
        breaker.failed(begin(breaker))
        failures += 1
    return failures


def at_once(breaker):
    """Return all tickets that are available now."""
    return list(iter(breaker.begin, None))


def test_waits_grow_to_a_minute():
    """The longest wait doubles with each failure, up to a minute."""
    drawn = [list(map(wait_after, range(1, 9))) for _ in range(200)]

    for bound, lengths in zip(
        [1, 2, 4, 8, 16, 32, 60, 60], zip(*drawn, strict=True), strict=True
    ):
        # Full jitter: all of the range is used.
        assert 0 <= min(lengths) < 0.2 * bound
        assert 0.8 * bound < max(lengths) <= bound


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


def test_what_never_opens(breaker):
    """Failures with successes between them don't open, nor those of single events."""
    for _ in range(3 * FAILURES_IN_A_ROW):
        breaker.failed(begin(breaker), counts=False)
        breaker.failed(begin(breaker), known_to_fail=True)
        breaker.failed(begin(breaker))
        if breaker.failures == FAILURES_IN_A_ROW - 1:
            breaker.delivered(begin(breaker))

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)


def test_failures_in_a_row_open(breaker):
    """A dozen failures in a row open the breaker; then a single probe is sent."""
    assert opened(breaker) == FAILURES_IN_A_ROW

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.FAILING)
    assert breaker.begin() is None
    probe = begin(breaker)
    assert (probe.probe, probe.events, breaker.state) == (True, 1, State.HALF_OPEN)
    assert breaker.begin() is None


def test_a_probe_that_fails(breaker):
    """A failed probe keeps the breaker open; the waits grow every few probes."""
    opened(breaker)
    pauses = [breaker.pause]
    for _ in range(31):
        breaker.failed(begin(breaker))
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
        ticket = begin(breaker)
        found.append(ticket.events)
        breaker.delivered(ticket, ticket.events)
    return found


def test_requests_grow_with_success(breaker):
    """After a successful probe, requests double with each success."""
    opened(breaker)

    assert sizes(breaker, 5) == [1, 1, 2, 4, 8]
    assert sizes(breaker, 30)[-1] == UNLIMITED


def test_a_size_that_fails(breaker):
    """After a failure requests are half as large, and grow by one with each success."""
    breaker.shrink(50)
    assert sizes(breaker, 3) == [25, 26, 27]

    breaker.shrink(7)
    breaker.delivered(breaker.begin(), 2)  # tells nothing: it is a part of a batch
    breaker.delivered(breaker.begin())
    assert sizes(breaker, 3) == [4, 5, 6]
    breaker.shrink(50)
    assert sizes(breaker, 1) == [7]


def test_what_is_sent_one_by_one(breaker, time):
    """After a slow request, twice its events are sent one by one, or as many as fit."""
    breaker.shrink(3, 5.0)
    assert sizes(breaker, 9) == [1] * 7 + [2, 3]

    ticket = breaker.begin()
    time.seconds += 0.5
    breaker.delivered(ticket)
    breaker.shrink(1, 5.0)
    breaker.shrink(1, 5.0)
    assert sizes(breaker, 15) == [1] * 13 + [2, 3]


def test_what_began_before_it_opened(breaker, time):
    """An older request changes nothing if it fails, and closes if it succeeds."""
    older = [breaker.begin(), breaker.begin()]
    opened(breaker)
    probe = begin(breaker)

    time.seconds += 1
    breaker.failed(older[0])
    assert (breaker.state, breaker.begin()) == (State.HALF_OPEN, None)
    breaker.delivered(older[1])
    assert breaker.state is State.CLOSED

    breaker.failed(probe, counts=False)
    assert breaker.state is State.CLOSED


def test_what_a_success_proves(breaker, time):
    """A success shows that the setup was right when its request began."""
    slow, began = breaker.begin(), time.seconds
    time.seconds += 5
    breaker.delivered(breaker.begin())
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
    breaker.failed(begin(breaker), cause=Cause.BLOCKED, at_once=True)

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.BLOCKED)
    for _ in range(30):
        breaker.failed(begin(breaker), cause=Cause.BLOCKED)
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
    breaker.delivered(breaker.begin())
    assert breaker.works
    time.seconds += WORKS_SECONDS
    assert not breaker.works
    breaker.delivered(breaker.begin())
    breaker.open_as_refusing()
    assert not breaker.works


def test_an_answer_that_refuses_is_an_answer(breaker):
    """A refused probe closes the breaker, because the backend answers."""
    opened(breaker)

    breaker.refused(begin(breaker))

    assert (breaker.state, breaker.pause) == (State.CLOSED, 0)
    assert len(at_once(breaker)) == 1


def test_a_backend_that_refuses_everything(breaker, time):
    """Probes are frequent at first and rare later; only a success closes it."""
    breaker.open_as_refusing()
    probes, began = [], time.seconds
    while time.seconds < began + 6 * 3600:
        time.seconds += breaker.pause + 0.01
        breaker.refused(breaker.begin())
        probes.append(time.seconds - began)
        breaker.open_as_refusing()
        assert (breaker.state, breaker.cause) == (State.OPEN, Cause.REFUSING)
        assert breaker.begin() is None
    assert breaker.pause == 30
    assert sum(at < 10 for at in probes) > 300
    assert len(probes) < 3000
    breaker.failed(begin(breaker))
    assert breaker.cause is Cause.REFUSING

    breaker.delivered(begin(breaker))

    assert (breaker.state, breaker.cause) == (State.CLOSED, None)
