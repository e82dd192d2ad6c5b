"""How long the room lasts follows from what came in during the last day."""

import math

import pytest

from devkit.clock import Clock
from exporter.watch.inflow import SLICE_SECONDS, WINDOW_SECONDS, Inflow

HOUR = 3600.0


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def inflow(clock):
    """Return one that began just now."""
    return Inflow(clock)


def test_when_nothing_comes(inflow, clock):
    """Room that nobody takes lasts for ever."""
    clock.seconds += HOUR

    assert inflow.seconds_to_fill(1000) == math.inf


def test_since_the_start(inflow, clock):
    """During the first day the rate is that of all the time since the start."""
    for _ in range(4):
        clock.seconds += HOUR
        inflow.add(500)

    assert inflow.bytes_per_second * HOUR == pytest.approx(500)
    assert inflow.seconds_to_fill(5000) == pytest.approx(10 * HOUR)


def test_the_last_day(inflow, clock):
    """What came in before the last 24 hours doesn't count any more."""
    for hour in range(72):
        clock.seconds += HOUR
        inflow.add(9000 if hour < 24 else 500)

    assert inflow.bytes_per_second * HOUR == pytest.approx(500, rel=0.05)


def test_a_burst_right_after_the_start(inflow, clock):
    """The first second isn't taken for what every second brings."""
    clock.seconds += 0.001
    inflow.add(600)

    assert inflow.bytes_per_second == 10


def test_when_nothing_comes_any_more(inflow, clock):
    """A day later nothing is left of what came in."""
    inflow.add(1000)
    clock.seconds += WINDOW_SECONDS

    assert inflow.seconds_to_fill(1000) == math.inf


def test_it_stays_small(inflow, clock):
    """However often something comes in, a day is a hundred numbers."""
    for _ in range(20_000):
        clock.seconds += 60
        inflow.add(1)

    assert len(inflow._slices) <= WINDOW_SECONDS / SLICE_SECONDS + 1


def test_a_full_spool(inflow, clock):
    """Where there is no room no time is left."""
    clock.seconds += HOUR
    inflow.add(1)

    assert inflow.seconds_to_fill(0) == 0
