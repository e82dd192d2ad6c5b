"""A backend in trouble is left alone ever longer, by all of its slots together."""

import asyncio
import itertools

import pytest

from exporter.delivery.clock import Clock, waits


class Time:
    """What a clock shows, moved by hand."""

    def __init__(self):
        """Begin long after the machine was started."""
        self.now = 1000.0

    def __call__(self):
        """Return the time, in seconds."""
        return self.now

    def fail(self, clock, *, after=0.0):
        """Let an attempt begin that fails *after* so many seconds."""
        started = self.now
        self.now += after
        return clock.failed(started)


@pytest.fixture
def time():
    """Return the time of the test's clock."""
    return Time()


@pytest.fixture
def clock(time, monkeypatch):
    """Return a clock whose waits are as long as chance may make them."""
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    return Clock(time)


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


def test_no_pause_at_first(clock):
    """A backend is asked at once as long as nothing has failed."""
    assert clock.remaining == 0


def test_a_failure_pauses(clock, time):
    """After a failure nobody asks for a while, and then everybody may."""
    assert time.fail(clock) is True

    assert clock.remaining == 1.0
    time.now += 0.75
    assert clock.remaining == 0.25
    time.now += 0.25
    assert clock.remaining == 0
    time.now += 10
    assert clock.remaining == 0


def test_failures_in_a_row_pause_longer(clock, time):
    """Each further failure doubles the pause, up to a minute."""
    pauses = []
    for _ in range(8):
        time.fail(clock, after=0.01)
        pauses.append(clock.remaining)
        time.now += clock.remaining

    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])


def test_four_slots_failing_at_once(clock, time):
    """Four slots that learn the same bad news one after another count once."""
    started = time.now
    for _ in range(4):
        time.now += 0.125
        assert clock.failed(started) is True

    assert clock.remaining == 1.0 - 3 * 0.125
    time.now += clock.remaining
    time.fail(clock)
    assert clock.remaining == 2.0


def test_a_success_resets(clock, time):
    """A success ends the pause at once, and the next failure's pause is short again."""
    for _ in range(5):
        time.fail(clock)
        time.now += 1
    assert clock.remaining > 0

    clock.succeeded()

    assert clock.remaining == 0
    time.now += 1
    time.fail(clock)
    assert clock.remaining == 1.0


def test_one_batch_fails_while_others_get_through(clock, time):
    """A failure during which others succeeded says nothing about the backend."""
    started = time.now
    time.now += 1
    clock.succeeded()
    time.now += 1

    assert clock.failed(started) is False

    assert clock.remaining == 0
    assert time.fail(clock) is True
    assert clock.remaining == 1.0


def test_a_pause_can_be_bounded(clock, time):
    """Whoever fails for another reason than trouble may ask for a shorter pause."""
    for _ in range(8):
        time.fail(clock)
        time.now += 100

    clock.failed(time.now, at_most=30.0)

    assert clock.remaining == 30.0


async def test_waiting_without_a_pause(clock):
    """Nobody waits for a backend that is well."""
    async with asyncio.timeout(1):
        await clock.wait()


async def test_waiting_until_a_pause_is_over():
    """A wait ends with the pause, not before."""
    clock = Clock()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    clock.failed(begun, at_most=0.02)
    pause = clock.remaining

    await clock.wait()

    assert clock.remaining == 0
    assert loop.time() - begun >= pause


async def test_a_success_wakes_all_who_wait(clock, time):
    """When somebody gets through, everybody may try at once."""
    for _ in range(2):
        time.now += 1
        time.fail(clock)
        waiting = [asyncio.create_task(clock.wait()) for _ in range(4)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)

        clock.succeeded()

        async with asyncio.timeout(1):
            await asyncio.gather(*waiting)


async def test_a_stop_wakes_all_who_wait(clock, time):
    """Whoever drains gives a paused backend one more chance at once."""
    time.fail(clock)
    waiting = asyncio.create_task(clock.wait())
    await asyncio.sleep(0)

    clock.wake()

    async with asyncio.timeout(1):
        await waiting
