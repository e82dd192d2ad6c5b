"""A backend in trouble is left alone, and then asked by one before all ask."""

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
    """Return the time of the test's clock."""
    return Clock()


@pytest.fixture
def breaker(time, monkeypatch):
    """Return a breaker of four slots; its waits are as long as chance may make them."""
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    return Breaker(4, time)


def fail(breaker, *, after=0.0, **how):
    """Let an attempt begin as soon as it may, and fail *after* so many seconds."""
    breaker._now.seconds += breaker.pause
    ticket = breaker.begin()
    breaker._now.seconds += after
    breaker.failed(ticket, **how)


def succeed(breaker):
    """Let an attempt begin as soon as it may, and succeed."""
    breaker._now.seconds += breaker.pause
    breaker.delivered(breaker.begin())


def opened(breaker):
    """Fail until the breaker opens."""
    while breaker.state is State.CLOSED:
        fail(breaker)
    return breaker


def at_once(breaker):
    """Return the tickets that can be had now."""
    return list(iter(breaker.begin, None))


BLOCKED = {"cause": Cause.BLOCKED, "at_once": True}


def test_waits_grow_to_a_minute():
    """Each wait has twice the bound of the one before, until that is a minute."""
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
    """As many requests as there are slots may be in flight, and no more."""
    first, *others = at_once(breaker)

    assert len(others) == 3
    assert not first.probe
    breaker.delivered(first)
    assert len(at_once(breaker)) == 1


def test_a_failure_pauses_nobody(breaker, time):
    """One says nothing about the backend, not even if four slots fail at once."""
    for ticket in at_once(breaker):
        breaker.failed(ticket)

    assert (breaker.pause, len(at_once(breaker))) == (0, 4)
    assert breaker.troubled
    time.seconds += TROUBLED_SECONDS
    assert not breaker.troubled


def test_half_of_the_slots_for_what_is_risky(breaker):
    """It gets no more while something else waits, and all slots when nothing does."""
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
    """Failures without a success between them count, and those of what fails alone."""
    for _ in range(3 * FAILURES_IN_A_ROW):
        fail(breaker, alone=True)
        fail(breaker)
        if breaker.failures == FAILURES_IN_A_ROW - 1:
            succeed(breaker)

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)


def test_what_is_known_to_fail_by_itself(breaker):
    """It neither pauses nor opens, however often it fails."""
    for _ in range(2 * FAILURES_IN_A_ROW):
        fail(breaker, known_to_fail=True)

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)


def test_failures_in_a_row_open(breaker):
    """After a dozen failures without a success between them, one probe decides."""
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
    """The breaker stays open, ever longer; some probes have a wait of each length."""
    opened(breaker)
    pauses = [breaker.pause]
    for _ in range(31):
        fail(breaker)
        assert breaker.state is State.OPEN
        pauses.append(breaker.pause)

    assert pauses[:9] == [1, 1, 1, 2, 2, 2, 2, 4, 4]
    assert pauses[-1] == 60


def test_slots_open_one_by_one(breaker, time):
    """After a probe that succeeds each success lets one more request go at once."""
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
    """Return how many events so many requests may hold, each a success."""
    found = []
    for _ in range(successes):
        ticket = breaker.begin()
        found.append(ticket.events)
        breaker.delivered(ticket, ticket.events)
    return found


def test_requests_grow_with_success(breaker, time):
    """After a probe of one event requests double with each success."""
    opened(breaker)
    time.seconds += breaker.pause

    assert sizes(breaker, 5) == [1, 1, 2, 4, 8]
    assert sizes(breaker, 30)[-1] == UNLIMITED


def test_a_size_that_fails(breaker):
    """Requests are half as large then, and grow by one event with each success."""
    breaker.shrink(50)
    assert sizes(breaker, 3) == [25, 26, 27]

    breaker.shrink(7)
    assert sizes(breaker, 3) == [4, 5, 6]
    breaker.shrink(50)
    assert sizes(breaker, 1) == [7]


def test_what_is_sent_one_by_one(breaker):
    """After twice as many events as a slow batch had requests grow again."""
    breaker.shrink(3, 5.0)

    assert sizes(breaker, 9) == [1] * 7 + [2, 3]


def test_how_long_events_are_sent_one_by_one(breaker, time):
    """Events go one by one until they took as long as what was slow."""
    ticket = breaker.begin()
    time.seconds += 0.5
    breaker.delivered(ticket)
    breaker.shrink(1, 5.0)
    breaker.shrink(1, 5.0)

    assert sizes(breaker, 13) == [1] * 13
    assert sizes(breaker, 2) == [2, 3]


def test_part_of_a_batch_tells_nothing_about_sizes(breaker):
    """Only events that are sent for the first time let requests grow."""
    breaker.shrink(6)
    breaker.delivered(breaker.begin(), 2)
    breaker.delivered(breaker.begin())

    assert breaker.events == 3


def test_what_began_before_it_opened(breaker, time):
    """A leftover that fails changes nothing; one that succeeds closes the breaker."""
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
    """It says that the setup was right when its request began, not when it ended."""
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


def test_silence_binds_everybody(breaker, time):
    """Nothing is sent before the time that the backend asked for, whatever succeeds."""
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
    """It opens at once, and is probed every half a minute at most."""
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
    """It is for a while after a success, unless the breaker opened since."""
    assert not breaker.works
    succeed(breaker)
    assert breaker.works
    time.seconds += WORKS_SECONDS
    assert not breaker.works
    succeed(breaker)
    breaker.block()
    assert not breaker.works


def test_an_answer_that_refuses_is_an_answer(breaker, time):
    """A probe that is refused shows that the backend is there, so others may ask."""
    opened(breaker)
    time.seconds += breaker.pause

    breaker.refused(breaker.begin())

    assert (breaker.state, breaker.pause) == (State.CLOSED, 0)
    assert len(at_once(breaker)) == 1


def test_a_backend_that_refuses_everything(breaker, time):
    """It is asked often at first and seldom later; only a success closes it again."""
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
