"""
What can be measured of a running exporter.

Here a metric is declared, once: docs/metrics.md comes from what this registry holds.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from exporter import __version__
from exporter.delivery import Cause, Delivery, Outcome, State
from exporter.operations.inflow import Inflow
from exporter.operations.latency import Latency
from exporter.operations.view import View
from exporter.spool import Spool

PREFIX = "app_integrations_exporter_"
RECORD_RESULTS = ("accepted", "repeat", "kept_aside", "not_selected")
REFUSALS = ("400", "401", "404", "405", "415", "429", "503")
OTHER = "other"
ANSWERS = ("200", *REFUSALS, OTHER)
BULK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
ATTEMPT_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)
# To the day, because an event is as old as the outage it waited out.
LATENCY_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    *(60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)

GAUGES: tuple[tuple[str, str, Callable[[View], float]], ...] = (
    (
        "spool_events",
        "Events accepted and not settled.",
        lambda view: view.spool.waiting.rows,
    ),
    (
        "spool_event_bytes",
        "Encoded bytes of events accepted and not settled.",
        lambda view: view.spool.waiting.size,
    ),
    (
        "spool_oldest_event_age_seconds",
        "Engine time to now of the event that waits first, 0 when none waits.",
        lambda view: view.age_seconds,
    ),
    (
        "spool_dead_letters",
        "Dead letters kept.",
        lambda view: view.spool.dead.rows,
    ),
    (
        "spool_dead_letter_bytes",
        "Bytes of dead letters kept.",
        lambda view: view.spool.dead.size,
    ),
    (
        "spool_limit_bytes",
        "Bytes of events and dead letters that may be held.",
        lambda view: view.spool.limit,
    ),
    (
        "spool_full",
        "1 while requests are put off because there is no room, else 0.",
        lambda view: view.spool.full,
    ),
    (
        "spool_time_left_seconds",
        "Time until it is full at the rate of the last day, if nothing is delivered.",
        lambda view: view.seconds_left,
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


class Metrics:
    """Our metrics on their own registry, so that tests share no counts."""

    def __init__(self) -> None:
        """Create every series at zero: `rate()` needs a first sample to differ from."""
        # They are a line for each series that tells nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.inflow = Inflow()
        self.trouble: Trouble | None = None
        """While it lasts."""
        self.started = time.time()
        self._gauge("start_time_seconds", "Start, in seconds since 1970.").set(
            self.started
        )
        build = self._gauge("build_info", "1, with the version.", "version")
        build.labels(__version__).set(1)
        self._of_ingest()
        self._of_delivery()
        self._gauges = {name: self._gauge(name, about) for name, about, _ in GAUGES}

    def watch(self, spool: Spool, delivery: Delivery) -> View:
        """Show what *spool* and *delivery* are like, read at every scrape."""
        view = View(spool, delivery, self.inflow)
        for name, _, read in GAUGES:
            self._gauges[name].set_function(partial(read, view))
        for state in State:
            self._states.labels(state).set_function(partial(view.is_in, state))
        for cause in Cause:
            self._causes.labels(cause).set_function(partial(view.is_due_to, cause))
        return view

    def _of_ingest(self) -> None:
        self.answers = self._counter(
            "ingest_answers_total",
            "Answers to requests on the ingest port, by status.",
            ("status", ANSWERS),
        )
        self.records = self._counter(
            "ingest_records_total",
            "Records of accepted bulk requests, by what became of them.",
            ("result", RECORD_RESULTS),
        )
        self.refusals = self._counter(
            "ingest_refusals_total",
            "Requests to the ingest port that were answered with an error.",
            ("status", REFUSALS),
        )
        self.epochs = self._counter(
            "ingest_epochs_total",
            "Times that the positions of a partition started again.",
        )
        self.salvages = self._counter(
            "spool_salvages_total",
            "Times that the spool was damaged, and what could be read was salvaged.",
        )
        self.bulk_seconds = self._histogram(
            "ingest_bulk_duration_seconds",
            "Time from the head of a bulk request to the end of its commit.",
            BULK_SECONDS,
        )

    def _of_delivery(self) -> None:
        self.attempts = self._counter(
            "delivery_attempts_total",
            "Attempts to post a batch, by what became of them.",
            ("outcome", Outcome),
        )
        self.delivered = self._counter(
            "delivery_events_total", "Events that the backend accepted."
        )
        self.latency = Latency(
            PREFIX + "delivery_latency_seconds",
            "Time from the engine's record to the answer of the backend that took it, "
            "by event.",
            LATENCY_SECONDS,
        )
        self.registry.register(self.latency)
        self.buried = self._counter(
            "delivery_dead_letters_total",
            "Events given up: refused alone, or too old.",
        )
        self.lost = self._counter(
            "spool_lost_events_total",
            "Waiting events lost because the spool was full, as SPOOL_WHEN_FULL says.",
        )
        self.attempt_seconds = self._histogram(
            "delivery_attempt_duration_seconds",
            "Time from opening the request to its answer.",
            ATTEMPT_SECONDS,
        )
        self._states = self._gauge(
            "delivery_breaker_state",
            "1 for the state that the breaker is in, else 0.",
            "state",
            State,
        )
        self._causes = self._gauge(
            "delivery_breaker_cause",
            "1 for the reason why the breaker isn't closed, else 0.",
            "cause",
            Cause,
        )

    def _counter(
        self, name: str, about: str, label: tuple[str, Iterable[str]] | None = None
    ) -> Counter:
        name_of_label, values = label or ("", ())
        labels = [name_of_label] if label else []
        counter = Counter(PREFIX + name, about, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _gauge(
        self, name: str, about: str, label: str = "", values: Iterable[str] = ()
    ) -> Gauge:
        labels = [label] if label else []
        gauge = Gauge(PREFIX + name, about, labels, registry=self.registry)
        for value in values:
            gauge.labels(value)
        return gauge

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(PREFIX + name, about, buckets=buckets, registry=self.registry)


def reference() -> str:
    """Return the table of docs/metrics.md; a test compares the file to it."""
    rows = ["| name | type | labels | meaning |", "|---|---|---|---|"]
    families = Metrics().registry.collect()
    for family in sorted(families, key=lambda family: family.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        series = [sample.labels for sample in family.samples]
        labels = ", ".join(sorted(set().union(*series) - {"le"}))
        if labels and labels != "version":
            labels += ": " + ", ".join(each[labels] for each in series)
        rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows)
