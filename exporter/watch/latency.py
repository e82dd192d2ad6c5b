"""Quantiles of a histogram, for those who read the status instead of a dashboard."""

import math
from itertools import pairwise

from prometheus_client import Histogram


def count_of(histogram: Histogram) -> int:
    """Return how many values *histogram* counted."""
    return int(_buckets(histogram)[-1][1])


def quantile(histogram: Histogram, share: float) -> float | None:
    """
    Return within how many seconds that *share* of the values was, as PromQL estimates.

    Beyond the last bound the result is that bound; it is None if nothing was counted.
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
    """Return each bound, and how many values are not above it."""
    (family,) = histogram.collect()
    samples = [each for each in family.samples if "le" in each.labels]
    return [(float(each.labels["le"]), each.value) for each in samples]
