"""
How long events take from the engine to the backend, as a histogram.

Our own, because one of the library's costs a microsecond and more for every event. Of
this one a batch costs a search per event, and nothing else is done before a scrape.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from prometheus_client import Metric
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Latency:
    """A histogram of the time that went by since moments of the engine."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Tell apart what is within each of *bounds*, in seconds and growing."""
        self._bounds = [*bounds, math.inf]
        self._milliseconds = [round(bound * 1000) for bound in bounds]
        self._counts = [0] * len(self._bounds)
        self._sum = 0

    def observe(self, moments: Sequence[int], now: int) -> None:
        """Count each of *moments*, in milliseconds like *now*."""
        counts, bounds = self._counts, self._milliseconds
        for moment in moments:
            counts[bisect_left(bounds, now - moment)] += 1
        # The engine's clock may be ahead of ours, and a sum must never shrink.
        self._sum += max(0, now * len(moments) - sum(moments))

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self._counts)

    def quantile(self, share: float) -> float | None:
        """
        Return within how many seconds that *share* was, as Prometheus estimates it.

        Beyond the last bound it is that bound; None when nothing was counted.
        """
        wanted = share * self.count
        below = 0
        for (low, high), count in zip(
            pairwise([0.0, *self._bounds]), self._counts, strict=True
        ):
            if count and below + count >= wanted:
                inside = (wanted - below) / count
                return low if math.isinf(high) else low + (high - low) * inside
            below += count
        return None

    @property
    def sample(self) -> tuple[list[tuple[str, float]], float]:
        """The buckets and the sum, as a scrape shows them."""
        names = map(floatToGoString, self._bounds)
        counts = map(float, accumulate(self._counts))
        return list(zip(names, counts, strict=True)), self._sum / 1000


class Latencies(Collector):
    """A histogram for each backend."""

    def __init__(self, name: str, about: str, latencies: Mapping[str, Latency]) -> None:
        """Show *latencies*, by the name of their backend."""
        self._name = name
        self._about = about
        self._latencies = latencies

    def collect(self) -> Iterator[Metric]:
        """Return the samples of a scrape."""
        family = HistogramMetricFamily(self._name, self._about, labels=["backend"])
        for backend, latency in self._latencies.items():
            buckets, total = latency.sample
            family.add_metric([backend], buckets=buckets, sum_value=total)
        yield family
