"""A backend in trouble is left alone, and then asked by one before all ask."""

import itertools

import pytest

from devkit.clock import Clock
from exporter.delivery.breaker import (
    FAILURES_IN_A_ROW,
    UNLIMITED,
    WINDOW,
    Breaker,
    Cause,
    State,
    Ticket,
    waits,
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


def test_waits_grow_to_a_minute():
    """Each wait has twice the bound of the one before, until that is a minute."""
    drawn = [list(itertools.islice(waits(), 8)) for _ in range(200)]

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


def test_a_failure_pauses_all_slots(breaker, time):
    """After a failure nobody asks for a while, and then everybody may."""
    fail(breaker)

    assert (breaker.pause, breaker.begin()) == (1.0, None)
    time.seconds += 0.75
    assert (breaker.pause, breaker.begin()) == (0.25, None)
    time.seconds += 0.25
    assert (breaker.pause, len(at_once(breaker))) == (0, 4)


def test_failures_in_a_row_pause_longer(breaker):
    """Each further failure doubles the pause, up to a minute."""
    pauses = []
    for _ in range(8):
        fail(breaker, after=0.01)
        pauses.append(breaker.pause)

    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])


def test_four_slots_failing_at_once(breaker, time):
    """Four slots that learn the same bad news one after another count once."""
    for ticket in at_once(breaker):
        time.seconds += 0.125
        breaker.failed(ticket)

    assert breaker.pause == 1.0 - 3 * 0.125
    fail(breaker)
    assert breaker.pause == 2.0


def test_a_success_resets(breaker, time):
    """A success ends the pause at once, and the next failure's pause is short again."""
    fail(breaker)
    fail(breaker)
    time.seconds += breaker.pause
    leftover, failing = breaker.begin(), breaker.begin()
    breaker.failed(failing)
    assert breaker.pause == 4.0

    breaker.delivered(leftover)

    assert breaker.pause == 0
    assert not leftover.probe
    time.seconds += 1
    fail(breaker)
    assert breaker.pause == 1.0


def test_one_batch_fails_while_others_get_through(breaker):
    """A failure while others succeed says nothing about the backend."""
    fail(breaker, alone=True)

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)
    fail(breaker)
    assert breaker.pause == 1.0


def test_what_is_known_to_fail_by_itself(breaker):
    """It neither pauses nor opens, however often it fails."""
    for _ in range(2 * WINDOW):
        fail(breaker, known=True)

    assert (breaker.pause, breaker.state) == (0, State.CLOSED)


def test_failures_in_a_row_open(breaker):
    """After five failures without a success between them, one probe decides."""
    for _ in range(FAILURES_IN_A_ROW - 1):
        fail(breaker)
        assert breaker.state is State.CLOSED
    fail(breaker)

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.FAILING)
    assert breaker.begin() is None
    breaker._now.seconds += breaker.pause
    (probe,) = at_once(breaker)
    assert (probe.probe, breaker.state) == (True, State.HALF_OPEN)


def test_a_rate_of_failures_opens(breaker):
    """It opens as well when half of the last twenty attempts failed."""
    for number in range(WINDOW):
        assert breaker.state is State.CLOSED, number
        if number % 2:
            fail(breaker)
        else:
            succeed(breaker)
            breaker._now.seconds += 1

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.FAILING)


def test_a_probe_that_fails(breaker):
    """The breaker stays open, ever longer, with one probe each time."""
    opened(breaker)
    pauses = []
    for _ in range(3):
        fail(breaker)
        assert breaker.state is State.OPEN
        pauses.append(breaker.pause)

    assert pauses == [32, 60, 60]


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


def test_requests_grow_with_success(breaker, time):
    """After a probe of one event requests double with each success, or shrink."""
    opened(breaker)
    time.seconds += breaker.pause
    sizes = []
    for _ in range(4):
        ticket = breaker.begin()
        sizes.append(ticket.events)
        breaker.delivered(ticket)
    assert sizes == [1, 1, 2, 4]

    fail(breaker)
    time.seconds += breaker.pause
    assert breaker.begin().events == 4
    for _ in range(30):
        breaker.delivered(breaker.begin() or Ticket(time.seconds))
    assert breaker.begin().events == UNLIMITED


def test_a_failure_in_good_times_shrinks_nothing(breaker):
    """A batch that was postponed comes again as it was."""
    fail(breaker)
    breaker._now.seconds += breaker.pause

    assert breaker.begin().events == UNLIMITED


def test_what_began_before_it_opened(breaker, time):
    """A leftover that fails changes nothing; one that succeeds closes the breaker."""
    leftovers = at_once(breaker)[:2]
    breaker._in_flight = 2  # the other two were never sent
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
    assert breaker.proof == began + 5

    time.seconds += 5
    breaker.delivered(slow)

    assert breaker.proof == began + 5
    assert breaker.succeeded == began + 10


def test_retry_after_binds_everybody(breaker, time):
    """Nothing is sent before the time that the backend asked for, whatever succeeds."""
    ticket, other = breaker.begin(), breaker.begin()
    time.seconds += 1
    breaker.failed(ticket, retry_after=20.0)
    breaker.delivered(other)
    breaker.hurry()

    assert breaker.pause == 20.0
    time.seconds += 19.9
    assert breaker.begin() is None
    time.seconds += 0.2
    assert breaker.begin() is not None


@pytest.mark.parametrize("how", ["alone", "known"])
def test_retry_after_of_a_lonely_failure(breaker, how):
    """What the backend asks of one batch while others get through binds all, too."""
    fail(breaker, retry_after=5.0, **{how: True})

    assert breaker.pause == 5.0


def test_a_blocked_backend(breaker):
    """It opens at once, and is probed every half a minute at most."""
    fail(breaker, blocked=True)

    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.BLOCKED)
    for _ in range(7):
        fail(breaker, blocked=True)
        assert breaker.pause <= 30
    assert breaker.pause == 30
    breaker.hurry()
    probe = breaker.begin()
    assert probe.probe
    breaker.delivered(probe)
    assert (breaker.state, breaker.cause) == (State.CLOSED, None)


def test_an_answer_that_refuses_is_an_answer(breaker, time):
    """A probe that is refused shows that the backend is there, so others may ask."""
    opened(breaker)
    time.seconds += breaker.pause

    breaker.refused(breaker.begin())

    assert (breaker.state, breaker.pause) == (State.CLOSED, 0)
    assert len(at_once(breaker)) == 1


def test_a_backend_that_refuses_everything(breaker, time):
    """Refusals don't close it again, only a success does."""
    breaker.block()
    for _ in range(8):
        time.seconds += breaker.pause
        breaker.refused(breaker.begin())
        assert (breaker.state, breaker.cause) == (State.OPEN, Cause.REFUSING)
        assert breaker.begin() is None
    assert breaker.pause == 30
    fail(breaker)
    assert breaker.cause is Cause.REFUSING

    time.seconds += breaker.pause
    succeed(breaker)

    assert (breaker.state, breaker.cause) == (State.CLOSED, None)
