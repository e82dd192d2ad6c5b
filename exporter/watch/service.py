"""
Counts and log lines about the service: what comes in, and the spool.

The normal case is counted and not logged. Trouble that repeats is logged every half a
minute, and its end once.
"""

import logging
import time
from collections.abc import Callable, Mapping

from exporter.events import ONLY_BACKEND
from exporter.ingest import Received
from exporter.spool import Held, Salvaged
from exporter.watch.backend import BackendObserver
from exporter.watch.inflow import Inflow
from exporter.watch.log_limit import LimitedLog
from exporter.watch.metrics import ANSWERS, OTHER, RECORD_RESULTS, Metrics

log = logging.getLogger(__name__)

# The broker repeats a request that got one of these, until something changes.
HINDRANCES = (401, 429, 503)
REFUSED = "request refused"
FILL_STEPS = (0.5, 0.8, 0.95)
"""How full the spool is when a warning is logged."""


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
        self.metrics = Metrics()
        self.inflow = Inflow()
        self.wall = wall
        self.started = wall()
        self._log = LimitedLog(log, now)
        self._hindered = False
        self._fill_steps = 0
        self.answers = dict.fromkeys(ANSWERS, 0)
        self.records = dict.fromkeys(RECORD_RESULTS, 0)
        self.epochs = 0
        self.backends = {
            name: BackendObserver(self.metrics, name, variable, now, wall)
            for name, variable in (backends or {ONLY_BACKEND: str}).items()
        }

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
            self.records[result] += count
        self.metrics.bulk_seconds.observe(bulk.seconds)
        self.inflow.add(_new_bytes(bulk))
        for event in accepted.epochs:
            self.epochs += 1
            self._log.trouble(
                logging.WARNING,
                "positions started again: was the engine purged or restored, or do two "
                "clusters send with the same index prefix?",
                {"physical_tenant": event.tenant, "partition": event.partition},
                position=event.position,
            )
        if accepted.dead_letters:
            first = bulk.unreadable[0]
            self._log.trouble(
                logging.ERROR,
                "records became dead letters: they can't be mapped",
                {"reason": first.reason},
                records=len(bulk.unreadable),
                first=first.action,
            )
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
        name = str(status)
        self.answers[name if name in self.answers else OTHER] += 1

    def left_behind(self, backend: str, held: Held, dead: Held) -> None:
        """Log events and dead letters of a *backend* that isn't configured any more."""
        log.warning(
            "events wait for a backend that isn't configured any more",
            extra={
                "backend": backend,
                "events": held.rows,
                "dead_letters": dead.rows,
                "remedy": "Configure the backend again, or drop its events: "
                f"app-integrations-exporter drop-backend {backend}",
            },
        )

    def salvaged(self, salvaged: Salvaged) -> None:
        """Log a damaged spool that was salvaged."""
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
