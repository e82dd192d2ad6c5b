"""
Say how well the events arrived: all of them, once, in order, and how fast.

Pure on purpose: it compares what should have come with what came.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exporter.demo.backend import Arrival

# What should happen to the one task of each process instance, in order.
Expected = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict on one run; latencies in milliseconds, None without arrivals."""

    source: str
    expected: int
    received: int
    missing: int
    duplicates: int
    order_violations: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None

    @property
    def perfect(self) -> bool:
        """Whether every event arrived, exactly once, and in order."""
        return not (self.missing or self.duplicates or self.order_violations)


def summarize(
    source: str,
    expected: Expected,
    arrivals: Sequence[Arrival],
    latency: Callable[[Arrival], float],
) -> Summary:
    """Compare *arrivals* with what was *expected*; *latency* is in seconds."""
    due = Counter(
        (instance, intent)
        for instance, intents in expected.items()
        for intent in intents
    )
    came = Counter((arrival.instance, arrival.intent) for arrival in arrivals)
    took = sorted(latency(arrival) * 1000 for arrival in arrivals)
    return Summary(
        source=source,
        expected=due.total(),
        received=len(arrivals),
        missing=(due - came).total(),
        duplicates=(came - due).total(),
        order_violations=_order_violations(arrivals),
        p50_ms=percentile(took, 0.5),
        p95_ms=percentile(took, 0.95),
        max_ms=percentile(took, 1),
    )


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """Return the value that *share* of all values do not exceed."""
    if not ascending:
        return None
    return round(ascending[math.ceil(share * len(ascending)) - 1], 1)


def _order_violations(arrivals: Sequence[Arrival]) -> int:
    """Count the events that came after a later one of the same process instance."""
    latest: dict[str, int] = {}
    violations = 0
    for arrival in arrivals:
        newest = latest.get(arrival.instance, -1)
        violations += arrival.position < newest
        latest[arrival.instance] = max(newest, arrival.position)
    return violations
