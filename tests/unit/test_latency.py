"""How long events took is counted batch by batch, as Prometheus would."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from exporter.operations.latency import Latencies, Latency

BOUNDS = (0.005, 0.1, 1, 3600)
NOW = 1_795_435_200_000


@pytest.fixture
def latency():
    """Return a histogram that nothing was counted in."""
    return Latency(BOUNDS)


def shown(latency):
    """Return what a scrape shows of *latency*, the one of a backend `teams`."""
    return scraped(Latencies("late_seconds", "How late.", {"teams": latency}))


def scraped(collector):
    """Return what a scrape shows of *collector*."""
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


@pytest.mark.parametrize(
    "milliseconds", [[], [0, 5, 6, 99, 100, 101, 5000, 3_600_000, 3_600_001]]
)
def test_like_the_library(latency, milliseconds):
    """A scrape can't tell it from the library's own, at no bound and beyond none."""
    own = Histogram(
        "late_seconds", "How late.", ["backend"], buckets=BOUNDS, registry=None
    )
    own.labels("teams")
    for late in milliseconds:
        own.labels("teams").observe(late / 1000)

    latency.observe([NOW - late for late in milliseconds], NOW)

    assert shown(latency) == scraped(own)


def test_batches_add_up(latency):
    """What a batch adds comes to what was there before."""
    latency.observe([NOW - 50], NOW)
    latency.observe([NOW - 50, NOW - 500], NOW)

    assert latency.count == 3
    assert 'late_seconds_sum{backend="teams"} 0.6' in shown(latency)


def test_a_clock_that_is_ahead(latency):
    """An event from the future took no time, and takes none from the sum."""
    latency.observe([NOW - 1000], NOW)
    latency.observe([NOW + 60_000], NOW)

    assert 'late_seconds_bucket{backend="teams",le="0.005"} 1.0' in shown(latency)
    assert 'late_seconds_sum{backend="teams"} 1.0' in shown(latency)


@pytest.mark.parametrize(
    "milliseconds, median, late",
    [
        ([50] * 100, 0.0525, 0.09525),
        ([50] * 90 + [500] * 10, 0.0578, 0.55),
        ([5_000_000], 3600, 3600),
    ],
)
def test_quantiles(latency, milliseconds, median, late):
    """They are estimated inside a bucket, and beyond the last bound are that bound."""
    latency.observe([NOW - each for each in milliseconds], NOW)

    found = [latency.quantile(share) for share in (0.5, 0.95)]

    assert found == pytest.approx([median, late], rel=0.001)


def test_quantiles_of_nothing(latency):
    """Before the first event there is nothing to tell."""
    assert latency.quantile(0.5) is None
