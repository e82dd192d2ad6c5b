"""Estimate quantiles of a histogram, for the status."""

import math
from itertools import pairwise

from prometheus_client import Histogram


def count_of(histogram: Histogram) -> int:
    """Return how many values *histogram* has counted."""
    return int(_buckets(histogram)[-1][1])


def quantile(histogram: Histogram, share: float) -> float | None:
    """
    Return the quantile *share* of *histogram* as PromQL estimates it.

    The result is never above the last finite bound. It is None for an empty histogram.
    """
    buckets = _buckets(histogram)
    wanted = share * buckets[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *buckets]):
        if count > below and count >= wanted:
            if math.isinf(high):
                return low
            return low + (high - low) * (wanted - below) / (count - below)
    return None


def _buckets(histogram: Histogram) -> list[tuple[float, float]]:
    """Return each bucket's upper bound and its cumulative count."""
    (family,) = histogram.collect()
    samples = [each for each in family.samples if "le" in each.labels]
    return [(float(each.labels["le"]), each.value) for each in samples]
