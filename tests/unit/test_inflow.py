"""The remaining time is computed from the bytes of the last day."""

import math

import pytest

from devkit.clock import Clock
from exporter.watch.inflow import SLICES, Inflow

HOUR = 3600.0


@pytest.fixture
def clock():
    """Return a clock that only the test moves."""
    return Clock()


@pytest.fixture
def inflow(clock):
    """Return an inflow that started just now."""
    return Inflow(clock)


def test_when_nothing_comes(inflow, clock):
    """Without inflow the room lasts for ever, also a day after the last bytes."""
    assert inflow.seconds_to_fill(1000) == math.inf
    inflow.add(1000)
    clock.seconds += 24 * HOUR - 1
    assert inflow.seconds_to_fill(1000) == pytest.approx(24 * HOUR, rel=0.001)
    clock.seconds += 1

    assert inflow.seconds_to_fill(1000) == math.inf


def test_since_the_start(inflow, clock):
    """During the first day the rate is the average since the start."""
    for _ in range(4):
        clock.seconds += HOUR
        inflow.add(500)

    assert inflow.seconds_to_fill(5000) == pytest.approx(10 * HOUR)
    assert inflow.seconds_to_fill(0) == 0


def test_the_last_day(inflow, clock):
    """Bytes from before the last 24 hours don't count."""
    for hour in range(72):
        clock.seconds += HOUR
        inflow.add(9000 if hour < 24 else 500)

    assert inflow.seconds_to_fill(500) == pytest.approx(HOUR, rel=0.05)


def test_a_burst_right_after_the_start(inflow, clock):
    """A burst in the first second is averaged over a minute."""
    clock.seconds += 0.001
    inflow.add(600)

    assert inflow.seconds_to_fill(600) == 60


def test_any_number_of_bulks(inflow, clock):
    """A day takes a hundred numbers in memory, and all of its bytes count."""
    for _ in range(3 * 24 * 60):
        clock.seconds += 60
        inflow.add(1)

    assert len(inflow._slices) <= SLICES + 1
    assert inflow.seconds_to_fill(60) == pytest.approx(HOUR, rel=0.02)
