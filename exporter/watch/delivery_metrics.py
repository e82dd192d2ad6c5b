"""
What can be measured on the way to each backend: every series has its name.

Here such a metric is declared, once; the others are in `exporter.watch.metrics`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from exporter.delivery import Cause, Outcome, State
from exporter.watch.view import BackendView

Series = TypeVar("Series", Counter, Gauge, Histogram)

PREFIX = "app_integrations_exporter_"
ATTEMPT_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)
# To the day, because an event is as old as the outage it waited out.
LATENCY_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    *(60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)

GAUGES: tuple[tuple[str, str, Callable[[BackendView], float]], ...] = (
    (
        "spool_events",
        "Events accepted and not settled.",
        lambda view: view.waiting.rows,
    ),
    (
        "spool_event_bytes",
        "Encoded bytes of events accepted and not settled.",
        lambda view: view.waiting.size,
    ),
    (
        "spool_oldest_event_age_seconds",
        "Engine time to now of the event that waits first, 0 when none waits.",
        lambda view: view.age_seconds,
    ),
    (
        "delivery_aside_batches",
        "Batches, or parts of some, that wait for a turn of their own.",
        lambda view: len(view.delivery.aside),
    ),
    (
        "delivery_suspect_events",
        "Events refused alone that become dead letters once another one is taken.",
        lambda view: len(view.delivery.aside.suspects),
    ),
    (
        "delivery_next_attempt_seconds",
        "How long nothing is sent yet because the last attempts failed.",
        lambda view: view.next_attempt_seconds,
    ),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last attempt that failed did so, as the log has it."""

    outcome: Outcome
    reason: str
    remedy: str
    at: float
    """Seconds since 1970."""


@dataclass(slots=True)
class DeliveryMetrics:
    """The series of one backend."""

    attempts: Mapping[Outcome, Counter]
    delivered: Counter
    buried: Counter
    lost: Counter
    attempt_seconds: Histogram
    states: Mapping[State, Gauge]
    causes: Mapping[Cause, Gauge]
    gauges: Mapping[str, Gauge]
    latency: Histogram
    trouble: Trouble | None = None
    """While it lasts."""

    def watch(self, view: BackendView) -> None:
        """Show what *view* sees, read at every scrape."""
        for name, _, read in GAUGES:
            self.gauges[name].set_function(partial(read, view))
        for state, gauge in self.states.items():
            gauge.set_function(partial(view.is_in, state))
        for cause, gauge in self.causes.items():
            gauge.set_function(partial(view.is_due_to, cause))


def of_deliveries(
    registry: CollectorRegistry, backends: Iterable[str]
) -> dict[str, DeliveryMetrics]:
    """Return the series of *backends*, all at zero, on *registry*."""
    counter = partial(_labelled, Counter, registry)
    gauge = partial(_labelled, Gauge, registry)
    attempts = counter(
        "delivery_attempts_total",
        "Attempts to post a batch, by what became of them.",
        "outcome",
    )
    delivered = counter("delivery_events_total", "Events that the backend accepted.")
    buried = counter(
        "delivery_dead_letters_total", "Events given up: refused alone, or too old."
    )
    lost = counter(
        "spool_lost_events_total",
        "Waiting events lost because the spool was full, as SPOOL_WHEN_FULL says.",
    )
    seconds, latency = _histograms(registry)
    states = gauge(
        "delivery_breaker_state",
        "1 for the state that the breaker is in, else 0.",
        "state",
    )
    causes = gauge(
        "delivery_breaker_cause",
        "1 for the reason why the breaker isn't closed, else 0.",
        "cause",
    )
    gauges = {name: gauge(name, about) for name, about, _ in GAUGES}
    return {
        backend: DeliveryMetrics(
            attempts={each: attempts.labels(backend, each) for each in Outcome},
            delivered=delivered.labels(backend),
            buried=buried.labels(backend),
            lost=lost.labels(backend),
            attempt_seconds=seconds.labels(backend),
            latency=latency.labels(backend),
            states={each: states.labels(backend, each) for each in State},
            causes={each: causes.labels(backend, each) for each in Cause},
            gauges={name: each.labels(backend) for name, each in gauges.items()},
        )
        for backend in backends
    }


def _histograms(registry: CollectorRegistry) -> tuple[Histogram, Histogram]:
    histogram = partial(_labelled, Histogram, registry)
    return histogram(
        "delivery_attempt_duration_seconds",
        "Time from opening the request to its answer.",
        buckets=ATTEMPT_SECONDS,
    ), histogram(
        "delivery_latency_seconds",
        "Time from the engine's record to the answer of the backend that took it, "
        "by event.",
        buckets=LATENCY_SECONDS,
    )


def _labelled(
    kind: type[Series],
    registry: CollectorRegistry,
    name: str,
    about: str,
    *more: str,
    **options: Any,
) -> Series:
    """Return a metric of that *kind* with a label for the backend, and *more*."""
    return kind(PREFIX + name, about, ["backend", *more], registry=registry, **options)
