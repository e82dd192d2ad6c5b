"""The remaining time is computed from the bytes of about the last day."""

import math

import pytest

from devkit.clock import Clock
from exporter.watch.inflow import Inflow

HOUR = 3600.0


@pytest.fixture
def clock():
    """Return a clock that only the test moves."""
    return Clock()


@pytest.fixture
def inflow(clock):
    """Return an inflow that started just now."""
    return Inflow(clock)


def test_nothing_and_a_burst_right_after_the_start(inflow, clock):
    """Nothing fills no room; a burst in the first second is averaged over a minute."""
    assert inflow.seconds_to_fill(1000) == math.inf
    clock.seconds += 0.001
    inflow.add(600)

    assert inflow.seconds_to_fill(600) == pytest.approx(60, rel=0.001)
    assert inflow.seconds_to_fill(0) == 0


@pytest.mark.parametrize("hours", [2, 24, 240])
def test_a_steady_rate(inflow, clock, hours):
    """A steady rate is found, soon after the start and much later."""
    for _ in range(hours * 60):
        clock.seconds += 60
        inflow.add(10)

    assert inflow.seconds_to_fill(6000) == pytest.approx(10 * HOUR, rel=0.01)


def test_the_past_fades_away(inflow, clock):
    """A day without bytes makes the room last e times as long, or longer."""
    clock.seconds += 240 * HOUR
    inflow.add(1000)
    before = inflow.seconds_to_fill(1000)
    clock.seconds += 24 * HOUR

    assert before == pytest.approx(24 * HOUR, rel=0.001)
    assert inflow.seconds_to_fill(1000) == pytest.approx(math.e * before, rel=0.001)
    clock.seconds += 240 * HOUR
    assert inflow.seconds_to_fill(1000) == math.inf
