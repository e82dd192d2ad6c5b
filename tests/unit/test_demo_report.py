"""The demo's verdict is right: it must not praise what went wrong."""

from dataclasses import replace

import pytest

from exporter.demo.backend import Arrival
from exporter.demo.report import percentile, summarize
from exporter.demo.screen import verdict

EXPECTED = {"7": ["CREATED", "ASSIGNED", "COMPLETED"], "8": ["CREATED"]}


def an_arrival(instance, intent, position, latency_ms=20):
    """Return the arrival of an event that took *latency_ms* from the engine's log."""
    event = {"processInstanceKey": instance, "userTaskKey": "1", "intent": intent}
    return Arrival(1000 + latency_ms / 1000, f"1-{position}-1000000", event)


PERFECT = [
    an_arrival("7", "CREATED", 1, 10),
    an_arrival("8", "CREATED", 2, 40),
    an_arrival("7", "ASSIGNED", 3, 20),
    an_arrival("7", "COMPLETED", 4, 30),
]


def judged(*arrivals):
    """Return the verdict on *arrivals*."""
    return summarize("live", EXPECTED, arrivals, lambda each: each.at - each.written)


def test_perfect_run():
    """All that was expected came once and in order; the figures are those of it."""
    summary = judged(*PERFECT)

    assert summary.perfect
    assert (summary.expected, summary.received) == (4, 4)
    assert (summary.p50_ms, summary.p95_ms, summary.max_ms) == (20.0, 40.0, 40.0)
    assert verdict(summary) == "Every event arrived, exactly once and in order."


@pytest.mark.parametrize(
    "arrivals, wrong",
    [
        (PERFECT[:3], "Not as promised: 1 missing."),
        ([*PERFECT, PERFECT[0]], "1 more than once, 1 out of order."),
        ([*PERFECT, PERFECT[3]], "Not as promised: 1 more than once."),
        (
            [*PERFECT, replace(PERFECT[3], identity="1-5-1000000")],
            "Not as promised: 1 more than once.",
        ),
        ([PERFECT[2], *PERFECT[:2], PERFECT[3]], "Not as promised: 1 out of order."),
        ([], "Not as promised: 4 missing."),
    ],
)
def test_run_that_went_wrong(arrivals, wrong):
    """Whatever is missing, doubled or disordered is counted and said."""
    summary = judged(*arrivals)

    assert not summary.perfect
    assert verdict(summary).endswith(wrong)


def test_instances_do_not_disorder_each_other():
    """Only within one process instance is there an order to violate."""
    assert judged(PERFECT[1], PERFECT[0], *PERFECT[2:]).perfect


@pytest.mark.parametrize("share, value", [(0.5, 50), (0.95, 95), (1, 100), (0.001, 1)])
def test_percentile(share, value):
    """A percentile is a value that was measured, not one in between."""
    assert percentile(range(1, 101), share) == value
