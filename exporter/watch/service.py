"""
Metrics and log lines about the service: what comes in, and the spool.

The normal case is counted and not logged. Trouble that repeats is logged every half a
minute, and its end once. docs/metrics.md is generated from the registry.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from exporter import __version__
from exporter.events import ONLY_BACKEND
from exporter.ingest import Received
from exporter.spool import Held, Salvaged, Unreadable
from exporter.watch.backend import NAMESPACE, BackendMetrics, BackendObserver
from exporter.watch.inflow import Inflow
from exporter.watch.log_limit import LogLimit
from exporter.watch.snapshot import Snapshot
from exporter.watch.withheld import Withheld

log = logging.getLogger(__name__)

RECORD_RESULTS = ("accepted", "repeat", "dead_letter", "not_selected")
REFUSALS = ("400", "401", "403", "404", "405", "408", "413", "415", "429", "503")
OTHER = "other"
ANSWERS = ("200", *REFUSALS, OTHER)
BULK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
# The broker repeats a request that got one of these, until something changes.
HINDRANCES = (401, 429, 503)
FILL_STEPS = (0.5, 0.8, 0.95)
"""How full the spool is when a warning is logged."""
MOST_REASONS = 10
"""How many lines one bulk request may cause."""

GAUGES: dict[str, tuple[str, Callable[[Snapshot], float]]] = {
    "spool_dead_letters": ("Dead letters kept.", lambda of: of.spool.dead.rows),
    "spool_dead_letter_bytes": (
        "Bytes of dead letters kept.",
        lambda of: of.spool.dead.size,
    ),
    "spool_limit_bytes": (
        "Bytes of events and dead letters that may be held.",
        lambda of: of.spool.limit,
    ),
    "spool_full": (
        "1 while the spool is full and requests are answered 429, else 0.",
        lambda of: of.spool.full,
    ),
    "spool_time_left_seconds": (
        "Time until it is full at the rate of the last day, if nothing is delivered.",
        lambda of: of.seconds_left,
    ),
    "spool_left_behind_events": (
        "Events that wait for backends that are no longer configured.",
        lambda of: sum(held.rows for held in of.spool.left_behind.values()),
    ),
}


class ServiceObserver:
    """Counts and logs what happens in the service; each has a registry of its own."""

    def __init__(
        self,
        backends: Mapping[str, Callable[[str], str]] | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Create every series at zero, because `rate()` needs a first sample.

        *backends* maps each backend's name to a function that returns the variable of
        a setting. *now* is a monotonic clock, *wall* the time since 1970.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.inflow = Inflow()
        self.withheld = Withheld()
        self.started = time.time()
        self._limit = LogLimit(now)
        self._hindered = False
        self._fill_steps = 0
        self._create_counters()
        self._create_gauges()
        metrics = BackendMetrics(self.registry)
        self.backends = {
            name: BackendObserver(metrics, name, variable, now, wall)
            for name, variable in (backends or {ONLY_BACKEND: str}).items()
        }

    def _create_counters(self) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=self.registry)
        self.answers = counter(
            "ingest_answers_total",
            "Answers to requests on the ingest port, by status.",
            ["status"],
        )
        self.records = counter(
            "ingest_records_total",
            "Records of accepted bulk requests, by what became of them.",
            ["result"],
        )
        self._refusals = counter(
            "ingest_refusals_total",
            "Requests to the ingest port that were answered with an error.",
            ["status"],
        )
        for family, values in (
            (self.answers, ANSWERS),
            (self.records, RECORD_RESULTS),
            (self._refusals, REFUSALS),
        ):
            for value in values:
                family.labels(value)
        self.epochs = counter(
            "ingest_epochs_total",
            "Times that the positions of a partition started again.",
        )
        self._salvages = counter(
            "spool_salvages_total",
            "Times that the spool was damaged, and what could be read was salvaged.",
        )
        self._bulk_seconds = Histogram(
            "ingest_bulk_duration_seconds",
            "Time from the head of a bulk request to the end of its commit.",
            buckets=BULK_SECONDS,
            namespace=NAMESPACE,
            registry=self.registry,
        )

    def _create_gauges(self) -> None:
        gauge = partial(Gauge, namespace=NAMESPACE, registry=self.registry)
        self._gauges = {
            name: gauge(name, meaning) for name, (meaning, _) in GAUGES.items()
        }
        self._is_withheld = gauge(
            "ingest_withheld",
            "1 while the broker's exporter withholds selected events, else 0.",
        )
        start = gauge("start_time_seconds", "Start, in seconds since 1970.")
        start.set(self.started)
        build = gauge("build_info", "1, with the version.", ["version"])
        build.labels(__version__).set(1)

    def show(self, snapshot: Snapshot) -> None:
        """Set the gauges to the values of *snapshot*."""
        for name, (_, value) in GAUGES.items():
            self._gauges[name].set(value(snapshot))
        self._is_withheld.set(bool(self.withheld.report()))
        for backend, of_backend in snapshot.backends.items():
            self.backends[backend].show(of_backend)

    def received(self, bulk: Received) -> None:
        """Count a bulk request that is safe on disk, and log what is unusual in it."""
        accepted = bulk.accepted
        events = bulk.events - accepted.unknown
        kept_before = len(bulk.unreadable) - accepted.dead_letters
        for result, count in (
            ("accepted", events - accepted.repeats),
            ("repeat", accepted.repeats + kept_before),
            ("dead_letter", accepted.dead_letters),
            ("not_selected", bulk.records - events - len(bulk.unreadable)),
        ):
            self.records.labels(result).inc(count)
        self._bulk_seconds.observe(bulk.seconds)
        self.inflow.add(_new_bytes(bulk))
        for event in accepted.epochs:
            self.epochs.inc()
            if self._limit.allows("epoch", event.tenant, event.partition):
                log.warning(
                    "positions started again: was the engine purged or restored, or "
                    "do two clusters send with the same index prefix?",
                    extra={
                        "physical_tenant": event.tenant,
                        "partition": event.partition,
                        "position": event.position,
                    },
                )
        if accepted.dead_letters:
            self._log_unreadable(bulk.unreadable)
        self._log_fill(accepted.filled)
        if self._hindered and self._limit.allows_end("refused"):
            self._hindered = False
            log.info("bulk requests are accepted again")

    def refused(self, status: int, reason: str) -> None:
        """Count and log a request that was answered with an error."""
        known = str(status) in REFUSALS
        self._refusals.labels(str(status) if known else "400").inc()
        if self._limit.allows("refused", status):
            self._hindered = self._hindered or status in HINDRANCES
            fields = {"status": status, "reason": reason}
            log.warning("request refused", extra=fields)

    def answered(self, status: int) -> None:
        """Count an answer to the broker."""
        known = str(status) in ANSWERS
        self.answers.labels(str(status) if known else OTHER).inc()

    def withholding_changed(self, report: Mapping[str, Any] | None) -> None:
        """Log that the broker's exporter withholds events, or no longer does (None)."""
        if report:
            fields = {name: report[name] for name in ("reason", "remedy")}
            log.error("the broker withholds events that are selected", extra=fields)
        else:
            log.info("the broker withholds no events any more")

    def left_behind(self, backend: str, held: Held, dead: Held) -> None:
        """Log events and dead letters of a *backend* that isn't configured any more."""
        log.warning(
            "events wait for a backend that isn't configured any more",
            extra={
                "backend": backend,
                "events": held.rows,
                "dead_letters": dead.rows,
                "remedy": "Configure the backend again, or drop its events: "
                "app-integrations-exporter backends --help",
            },
        )

    def salvaged(self, salvaged: Salvaged) -> None:
        """Count and log a damaged spool that was salvaged."""
        self._salvages.inc()
        missing = salvaged.missing
        log.critical(
            "the spool was damaged: what could be read of it was salvaged",
            extra={
                "waiting_events": salvaged.events,
                "dead_letters": salvaged.dead_letters,
                "missing": "unknown" if missing is None else missing,
                "damaged_file": str(salvaged.aside),
                "remedy": "Check the disk and its filesystem. Keep the damaged files "
                "until you know which events the backend lacks: the service no longer "
                "reads them, and `sqlite3 FILE .recover` may find more rows",
            },
        )

    def _log_unreadable(self, unreadable: Iterable[Unreadable]) -> None:
        """Log the first record of each reason."""
        by_reason = groupby(sorted(unreadable), key=attrgetter("reason"))
        for reason, records in islice(by_reason, MOST_REASONS):
            if self._limit.allows("unreadable", reason):
                first, *others = records
                log.error(
                    "records became dead letters: they can't be mapped",
                    extra={
                        "records": 1 + len(others),
                        "reason": reason,
                        "first": first.action,
                    },
                )

    def _log_fill(self, filled: float) -> None:
        """Warn each time the spool has passed another step on the way to full."""
        steps = sum(filled >= each for each in FILL_STEPS)
        if steps > self._fill_steps:
            log.warning(
                "the spool fills up: when it is full, the broker has to wait",
                extra={
                    "percent": int(100 * filled),
                    "remedy": "Run app-integrations-exporter status. Fix the backend, "
                    "retry or drop dead letters, or raise "
                    "APP_INTEGRATIONS_SPOOL_MAX_BYTES",
                },
            )
        self._fill_steps = steps


def _new_bytes(bulk: Received) -> int:
    """Return the bytes that *bulk* added to the spool, without repeats."""
    size = sum(len(entry.event.body) for entry in bulk.accepted.entries)
    if kept := bulk.accepted.dead_letters:
        # The spool doesn't say which of them are repeats, so this is an average.
        all_bytes = sum(len(each.body) for each in bulk.unreadable)
        size += all_bytes * kept // len(bulk.unreadable)
    return size
