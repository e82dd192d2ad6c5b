"""Quantiles of a histogram are estimated as in PromQL."""

import pytest
from exporter.watch.latency import count_of, quantile
from prometheus_client import Histogram


@pytest.fixture
def histogram():
    """Return an empty histogram."""
    bounds = (0.005, 0.1, 1, 3600)
    return Histogram("late_seconds", "How late.", buckets=bounds, registry=None)


@pytest.mark.parametrize(
    "seconds, median, late",
    [
        ([0.05] * 100, 0.0525, 0.09525),
        ([0.05] * 90 + [0.5] * 10, 0.0578, 0.55),
        ([5000], 3600, 3600),
    ],
)
def test_quantiles(histogram, seconds, median, late):
    """A quantile is interpolated in its bucket, up to the last finite bound."""
    for each in seconds:
        histogram.observe(each)

    found = [quantile(histogram, share) for share in (0.5, 0.95)]

    assert found == pytest.approx([median, late], rel=0.001)
    assert count_of(histogram) == len(seconds)


def test_quantiles_of_nothing(histogram):
    """The quantiles of an empty histogram are None."""
    assert quantile(histogram, 0.5) is None
    assert count_of(histogram) == 0
