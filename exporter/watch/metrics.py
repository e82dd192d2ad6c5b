"""
What can be measured of a running exporter.

Here a metric is declared, once: docs/metrics.md comes from what this registry holds.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from exporter import __version__
from exporter.delivery import Delivery
from exporter.events import ONLY_BACKEND
from exporter.spool import Spool
from exporter.watch.delivery_metrics import PREFIX, of_deliveries
from exporter.watch.inflow import Inflow
from exporter.watch.view import View
from exporter.watch.withheld import Withheld

RECORD_RESULTS = ("accepted", "repeat", "kept_aside", "not_selected")
REFUSALS = ("400", "401", "403", "404", "405", "408", "413", "415", "429", "503")
OTHER = "other"
ANSWERS = ("200", *REFUSALS, OTHER)
BULK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)

GAUGES: tuple[tuple[str, str, Callable[[View], float]], ...] = (
    ("spool_dead_letters", "Dead letters kept.", lambda view: view.spool.dead.rows),
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
        "spool_left_behind_events",
        "Events that wait for backends that are no longer configured.",
        lambda view: view.left_behind,
    ),
)


class Metrics:
    """Our metrics on their own registry, so that tests share no counts."""

    def __init__(self, backends: Iterable[str] = (ONLY_BACKEND,)) -> None:
        """Create every series at zero: `rate()` needs a first sample to differ from."""
        # They are a line for each series that tells nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.inflow = Inflow()
        self.withheld = Withheld()
        self.started = time.time()
        self._gauge("start_time_seconds", "Start, in seconds since 1970.").set(
            self.started
        )
        build = self._gauge("build_info", "1, with the version.", "version")
        build.labels(__version__).set(1)
        self._of_ingest()
        self._gauges = {name: self._gauge(name, about) for name, about, _ in GAUGES}
        self.of = of_deliveries(self.registry, backends)
        """What is counted on the way to each backend."""

    def watch(self, spool: Spool, deliveries: Mapping[str, Delivery]) -> View:
        """Show what *spool* and *deliveries* are like, read at every scrape."""
        view = View(spool, deliveries, self.inflow)
        for name, _, read in GAUGES:
            self._gauges[name].set_function(partial(read, view))
        for backend, metrics in self.of.items():
            metrics.watch(view.backends[backend])
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

        self._gauge(
            "ingest_withheld",
            "1 while the broker's exporter withholds selected events, else 0.",
        ).set_function(lambda: bool(self.withheld.report()))

    def _counter(
        self, name: str, about: str, label: tuple[str, Iterable[str]] | None = None
    ) -> Counter:
        name_of_label, values = label or ("", ())
        labels = [name_of_label] if label else []
        counter = Counter(PREFIX + name, about, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, about: str, label: str = "") -> Gauge:
        labels = [label] if label else []
        return Gauge(PREFIX + name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(PREFIX + name, about, buckets=buckets, registry=self.registry)
