"""
Metrics and log lines about the service: what comes in, and the spool.

The normal case is counted and not logged. Trouble that repeats is logged every half a
minute, and its end once. docs/metrics.md is generated from the registry.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from exporter import __version__
from exporter.events import ONLY_BACKEND
from exporter.ingest import Received
from exporter.spool import Held, Salvaged, Unreadable
from exporter.watch.backend import BackendObserver
from exporter.watch.inflow import Inflow
from exporter.watch.log_limit import LimitedLog
from exporter.watch.metrics import Metrics, Shown

log = logging.getLogger(__name__)

RECORD_RESULTS = ("accepted", "repeat", "dead_letter", "not_selected")
OTHER = "other"
ANSWERS = (
    *("200", "400", "401", "403", "404", "405", "408", "413", "415", "429", "503"),
    OTHER,
)
BULK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
# The broker repeats a request that got one of these, until something changes.
HINDRANCES = (401, 429, 503)
REFUSED = "request refused"
FILL_STEPS = (0.5, 0.8, 0.95)
"""How full the spool is when a warning is logged."""
MOST_REASONS = 10
"""How many lines one bulk request may cause."""

GAUGES: Shown = {
    "spool_dead_letters": (
        "Dead letters kept.",
        lambda status: status["spool"]["dead_letters"],
    ),
    "spool_dead_letter_bytes": (
        "Bytes of dead letters kept.",
        lambda status: status["spool"]["dead_letter_bytes"],
    ),
    "spool_limit_bytes": (
        "Bytes of events and dead letters that may be held.",
        lambda status: status["spool"]["limit_bytes"],
    ),
    "spool_full": (
        "1 while the spool is full and requests are answered 429, else 0.",
        lambda status: status["spool"]["full"],
    ),
    "spool_time_left_seconds": (
        "Time until it is full at the rate of the last day, if nothing is delivered.",
        lambda status: _seconds(status["spool"]["hours_left"]),
    ),
    "spool_left_behind_events": (
        "Events that wait for backends that are no longer configured.",
        lambda status: sum(status["spool"]["left_behind"].values()),
    ),
    "ingest_withheld": (
        "1 while the broker's exporter withholds selected events, else 0.",
        lambda status: bool(status["ingest"]["withheld"]),
    ),
}


class ServiceObserver:
    """Counts and logs what happens in the service."""

    def __init__(
        self,
        backends: Mapping[str, Callable[[str], str]] | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Observe *backends* as well: the function of each returns a setting's variable.

        *now* is a monotonic clock, *wall* the time since 1970.
        """
        metrics = Metrics()
        self.registry = metrics.registry
        self.inflow = Inflow()
        self.wall = wall
        self.started = wall()
        self._log = LimitedLog(log, now)
        self._hindered = False
        self._fill_steps = 0
        self._create_metrics(metrics)
        self.backends = {
            name: BackendObserver(metrics, name, variable, now, wall)
            for name, variable in (backends or {ONLY_BACKEND: str}).items()
        }

    def _create_metrics(self, metrics: Metrics) -> None:
        counter = partial(metrics.series, Counter)
        gauge = partial(metrics.series, Gauge)
        self.answers = {
            each: counter(
                "ingest_answers_total",
                "Answers to requests on the ingest port, by status.",
                status=each,
            )
            for each in ANSWERS
        }
        self.records = {
            each: counter(
                "ingest_records_total",
                "Records of accepted bulk requests, by what became of them.",
                result=each,
            )
            for each in RECORD_RESULTS
        }
        self.epochs = counter(
            "ingest_epochs_total",
            "Times that the positions of a partition started again.",
        )
        self._salvages = counter(
            "spool_salvages_total",
            "Times that the spool was damaged, and what could be read was salvaged.",
        )
        self._bulk_seconds = metrics.series(
            partial(Histogram, buckets=BULK_SECONDS),
            "ingest_bulk_duration_seconds",
            "Time from the head of a bulk request to the end of its commit.",
        )
        self._show = metrics.gauges(GAUGES)
        gauge("start_time_seconds", "Start, in seconds since 1970.").set(self.started)
        gauge("build_info", "1, with the version.", version=__version__).set(1)

    def show(self, status: dict[str, Any]) -> None:
        """Set the gauges to the values of *status*."""
        self._show(status)
        for name, backend in status["backends"].items():
            self.backends[name].show(backend)

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
            self.records[result].inc(count)
        self._bulk_seconds.observe(bulk.seconds)
        self.inflow.add(_new_bytes(bulk))
        for event in accepted.epochs:
            self.epochs.inc()
            self._log.trouble(
                logging.WARNING,
                "positions started again: was the engine purged or restored, or do two "
                "clusters send with the same index prefix?",
                {"physical_tenant": event.tenant, "partition": event.partition},
                position=event.position,
            )
        if accepted.dead_letters:
            self._log_unreadable(bulk.unreadable)
        self._log_fill(accepted.filled)
        if self._hindered:
            ended = self._log.end(REFUSED, "bulk requests are accepted again")
            self._hindered = not ended

    def refused(self, status: int, reason: str) -> None:
        """Log a request that was answered with an error."""
        self._hindered = self._hindered or status in HINDRANCES
        self._log.trouble(logging.WARNING, REFUSED, {"status": status}, reason=reason)

    def answered(self, status: int) -> None:
        """Count an answer to the broker."""
        self.answers.get(str(status), self.answers[OTHER]).inc()

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
            first, *others = records
            self._log.trouble(
                logging.ERROR,
                "records became dead letters: they can't be mapped",
                {"reason": reason},
                records=1 + len(others),
                first=first.action,
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
    if bulk.accepted.dead_letters:
        size += sum(len(each.body) for each in bulk.unreadable)
    return size


def _seconds(hours: float | None) -> float:
    return math.inf if hours is None else hours * 3600
