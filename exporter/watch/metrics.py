"""
Every metric: histograms, and the numbers of the status.

The observers count in plain numbers, the status collects them, and a scrape shows the
status. docs/metrics.md is generated from these tables.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from operator import getitem
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from exporter import __version__
from exporter.delivery import Cause, Outcome, State
from exporter.events import ONLY_BACKEND
from exporter.watch.latency import Latency

NAMESPACE = "app_integrations_exporter"
OTHER = "other"
ANSWERS = (
    *("200", "400", "401", "403", "404", "405", "408", "413", "415", "429", "503"),
    OTHER,
)
RECORD_RESULTS = ("accepted", "repeat", "dead_letter", "not_selected")

BULK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
ATTEMPT_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)


class Shown(NamedTuple):
    """A number of the status: a counter if its name ends in `_total`, else a gauge."""

    name: str
    path: str
    """Where the number is in the status."""
    meaning: str
    label: str = ""
    values: tuple[str, ...] = ()
    """The values of *label*: either keys at *path*, or the states that can be there."""
    convert: Callable[[Any], float] = float

    def numbers(self, status: Mapping[str, Any] | None) -> dict[str, float]:
        """Return the number for each value of the label, 0 if there is no *status*."""
        if status is None:
            return dict.fromkeys(self.values or [""], 0.0)
        found: Any = reduce(getitem, self.path.split("."), status)
        if not self.label:
            return {"": self.convert(found)}
        if isinstance(found, Mapping):
            return {each: found[each] for each in self.values}
        return {each: float(each == found) for each in self.values}


OF_THE_SERVICE = (
    Shown("build_info", "version", "1, with the version.", "version", (__version__,)),
    Shown("start_time_seconds", "started_at", "Start, in seconds since 1970."),
    Shown(
        "ingest_answers_total",
        "ingest.answers",
        "Answers to requests on the ingest port, by status.",
        "status",
        ANSWERS,
    ),
    Shown(
        "ingest_records_total",
        "ingest.records",
        "Records of accepted bulk requests, by what became of them.",
        "result",
        RECORD_RESULTS,
    ),
    Shown(
        "ingest_epochs_total", "ingest.epochs", "Times that positions started again."
    ),
    Shown(
        "ingest_withheld",
        "ingest.withheld",
        "1 while the broker's exporter withholds selected events, else 0.",
        convert=bool,
    ),
    Shown("spool_dead_letters", "spool.dead_letters", "Dead letters kept."),
    Shown(
        "spool_dead_letter_bytes", "spool.dead_letter_bytes", "Bytes of dead letters."
    ),
    Shown("spool_limit_bytes", "spool.limit_bytes", "Bytes that may be held."),
    Shown("spool_full", "spool.full", "1 while the spool is full, else 0."),
    Shown(
        "spool_time_left_seconds",
        "spool.hours_left",
        "Time until it is full at the rate of the last day, if nothing is delivered.",
        convert=lambda hours: math.inf if hours is None else hours * 3600,
    ),
    Shown(
        "spool_left_behind_events",
        "spool.left_behind",
        "Events that wait for backends that are no longer configured.",
        convert=lambda events: sum(events.values()),
    ),
    Shown(
        "spool_salvages_total", "spool.salvages", "Damaged spools that were salvaged."
    ),
)
OF_A_BACKEND = (
    Shown(
        "delivery_attempts_total",
        "delivery.attempts",
        "Attempts to post a batch.",
        "outcome",
        tuple(Outcome),
    ),
    Shown(
        "delivery_events_total", "delivery.events", "Events that the backend accepted."
    ),
    Shown(
        "delivery_dead_letters_total",
        "delivery.dead_letters",
        "Events that became dead letters: refused on their own, or too old.",
    ),
    Shown(
        "delivery_breaker_state",
        "delivery.breaker",
        "1 for the state that the breaker is in, else 0.",
        "state",
        tuple(State),
    ),
    Shown(
        "delivery_breaker_cause",
        "delivery.cause",
        "1 for the reason why the breaker isn't closed, else 0.",
        "cause",
        tuple(Cause),
    ),
    Shown(
        "delivery_parked_batches",
        "delivery.parked_batches",
        "Parked batches and parts of batches: each waits for its own retry.",
    ),
    Shown(
        "delivery_suspect_events",
        "delivery.suspect_events",
        "Events refused on their own: dead letters if they are refused again.",
    ),
    Shown(
        "delivery_next_attempt_seconds",
        "delivery.next_attempt_seconds",
        "Time until the next attempt, when the last attempts failed.",
    ),
    Shown("spool_events", "waiting.events", "Events accepted and not settled."),
    Shown("spool_event_bytes", "waiting.event_bytes", "Bytes of unsettled events."),
    Shown(
        "spool_oldest_event_age_seconds",
        "waiting.oldest_age_seconds",
        "Age of the oldest waiting event by the engine's clock, 0 when none waits.",
    ),
    Shown(
        "spool_lost_events_total",
        "waiting.lost_events",
        "Waiting events discarded because the spool was full (drop-oldest).",
    ),
)


class Metrics:
    """
    The metrics of one service, for Prometheus to collect.

    Every series begins at zero at once, because `rate()` needs a first sample.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._histograms = CollectorRegistry()
        create = partial(Histogram, namespace=NAMESPACE, registry=self._histograms)
        self.bulk_seconds = create(
            "ingest_bulk_duration_seconds",
            "Time from the head of a bulk request to the end of its commit.",
            buckets=BULK_SECONDS,
        )
        self.attempt_seconds = create(
            "delivery_attempt_duration_seconds",
            "Time from opening the request to its answer.",
            ["backend"],
            buckets=ATTEMPT_SECONDS,
        )
        self._latencies: defaultdict[str, Latency] = defaultdict(Latency)
        self.status: dict[str, Any] | None = None
        """The status to show."""

    def latency_of(self, backend: str) -> Latency:
        """Return the latencies of *backend*, to be counted."""
        return self._latencies[backend]

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, at zero where there is no status yet."""
        yield from self._histograms.collect()
        latency = HistogramMetricFamily(
            f"{NAMESPACE}_delivery_latency_seconds",
            "Time from the engine's record to the backend's success, for each event.",
            labels=["backend"],
        )
        for name, each in self._latencies.items():
            latency.add_metric([name], each.buckets(), each.sum)
        yield latency
        for shown in OF_THE_SERVICE:
            yield _family(shown, {None: self.status})
        backends = self.status["backends"] if self.status else {ONLY_BACKEND: None}
        for shown in OF_A_BACKEND:
            yield _family(shown, backends)


def _family(
    shown: Shown, statuses: Mapping[str | None, dict[str, Any] | None]
) -> Metric:
    """Return the metric *shown* for each of *statuses*, by the name of the backend."""
    kind = CounterMetricFamily if shown.name.endswith("_total") else GaugeMetricFamily
    labels = [] if None in statuses else ["backend"]
    labels += [shown.label] if shown.label else []
    family = kind(f"{NAMESPACE}_{shown.name}", shown.meaning, labels=labels)
    for backend, status in statuses.items():
        for value, number in shown.numbers(status).items():
            family.add_metric([each for each in (backend, value) if each], number)
    return family
