"""
Metrics and log lines about the delivery to one backend.

A success is counted and not logged. A failure that repeats is logged every half a
minute, and its end once.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from exporter.delivery import Attempt, Cause, Outcome, State, remedy
from exporter.events import ONLY_BACKEND
from exporter.spool import Batch, Rejection
from exporter.watch.log_limit import LimitedLog
from exporter.watch.metrics import Metrics, Shown

log = logging.getLogger(__name__)

ATTEMPT_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)
# Up to a day, because an event may wait as long as the backend is down.
LATENCY_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    *(60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)
MOST_LATENCIES = 1000

GAUGES: Shown = {
    "spool_events": (
        "Events accepted and not settled.",
        lambda status: status["waiting"]["events"],
    ),
    "spool_event_bytes": (
        "Encoded bytes of events accepted and not settled.",
        lambda status: status["waiting"]["event_bytes"],
    ),
    "spool_oldest_event_age_seconds": (
        "Age of the oldest waiting event by the engine's clock, 0 when none waits.",
        lambda status: status["waiting"]["oldest_age_seconds"],
    ),
    "delivery_parked_batches": (
        "Parked batches and parts of batches: each waits for its own retry.",
        lambda status: status["delivery"]["parked_batches"],
    ),
    "delivery_suspect_events": (
        "Events refused on their own: dead letters if they are refused again.",
        lambda status: status["delivery"]["suspect_events"],
    ),
    "delivery_next_attempt_seconds": (
        "Time until the next attempt, when the last attempts failed.",
        lambda status: status["delivery"]["next_attempt_seconds"],
    ),
}

LEVELS = {
    Outcome.POSTPONED: logging.WARNING,  # nothing is lost, nobody has to act
    Outcome.REJECTED: logging.ERROR,  # somebody has to look at the backend
    Outcome.BLOCKED: logging.ERROR,  # somebody has to change the setup
    Cause.FAILING: logging.WARNING,
    Cause.BLOCKED: logging.ERROR,
    Cause.REFUSING: logging.ERROR,
}
FAILED = "batch not delivered"
OPENED = "the breaker opened: nothing is sent but probes"


class Trouble(NamedTuple):
    """The last failed attempt."""

    outcome: Outcome
    reason: str
    remedy: str
    at: float
    """Seconds since 1970."""


class BackendObserver:
    """Counts and logs what happens on the way to one backend."""

    def __init__(
        self,
        metrics: Metrics,
        name: str,
        variable: Callable[[str], str],
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """
        Observe the backend *name*; *variable* returns the variable of a setting.

        *now* is a monotonic clock, *wall* the time since 1970.
        """
        self._variable = variable
        self._wall = wall
        named = {} if name == ONLY_BACKEND else {"backend": name}
        self._log = LimitedLog(log, now, **named)
        self.trouble: Trouble | None = None
        """None after a success, unless parked events still wait for a retry."""
        self.latencies: deque[float] = deque(maxlen=MOST_LATENCIES)
        """In seconds, of the last delivered events."""
        self._create_counters(metrics, name)
        self._create_gauges(metrics, name)

    def _create_counters(self, metrics: Metrics, name: str) -> None:
        counter = partial(metrics.series, Counter, backend=name)
        self.attempts = {
            each: counter(
                "delivery_attempts_total", "Attempts to post a batch.", outcome=each
            )
            for each in Outcome
        }
        self.delivered = counter(
            "delivery_events_total", "Events that the backend accepted."
        )
        self._dead_letters = counter(
            "delivery_dead_letters_total",
            "Events that became dead letters: refused on their own, or too old.",
        )
        self.lost_events = counter(
            "spool_lost_events_total",
            "Waiting events discarded because the spool was full (drop-oldest).",
        )
        self._attempt_seconds = metrics.series(
            partial(Histogram, buckets=ATTEMPT_SECONDS),
            "delivery_attempt_duration_seconds",
            "Time from opening the request to its answer.",
            backend=name,
        )
        self._latency = metrics.series(
            partial(Histogram, buckets=LATENCY_SECONDS),
            "delivery_latency_seconds",
            "Time from the engine's record to the backend's success, for each event.",
            backend=name,
        )

    def _create_gauges(self, metrics: Metrics, name: str) -> None:
        gauge = partial(metrics.series, Gauge, backend=name)
        self._show = metrics.gauges(GAUGES, backend=name)
        self._states = {
            each: gauge(
                "delivery_breaker_state",
                "1 for the state that the breaker is in, else 0.",
                state=each,
            )
            for each in State
        }
        self._causes = {
            each: gauge(
                "delivery_breaker_cause",
                "1 for the reason why the breaker isn't closed, else 0.",
                cause=each,
            )
            for each in Cause
        }

    def show(self, status: dict[str, Any]) -> None:
        """Set the gauges to the values of the *status* of this backend."""
        self._show(status)
        for state, gauge in self._states.items():
            gauge.set(state == status["delivery"]["breaker"])
        for cause, gauge in self._causes.items():
            gauge.set(cause == status["delivery"]["cause"])

    def attempted(self, attempt: Attempt) -> None:
        """Count one attempt, and log a failure that begins, changes or ends."""
        outcome, reason = attempt.outcome, attempt.answer.detail
        self.attempts[outcome].inc()
        self._attempt_seconds.observe(attempt.seconds)
        if outcome is Outcome.DELIVERED:
            self._count_delivered(attempt.batch)
            if not attempt.parked:
                self.trouble = None
                self._log.end(FAILED, "the backend accepts events again")
            return
        what_to_do = remedy(attempt.answer, self._variable)
        self.trouble = Trouble(outcome, reason, what_to_do, self._wall())
        self._log.trouble(
            LEVELS[outcome],
            FAILED,
            {"outcome": outcome, "reason": reason},
            remedy=what_to_do,
            batch=str(attempt.batch),
            events=len(attempt.batch.entries),
            attempt=attempt.number,
            seconds=round(attempt.seconds, 3),
        )

    def dead_lettered(self, batch: Batch, rejection: Rejection) -> None:
        """Count and log events that became dead letters."""
        self._dead_letters.inc(len(batch.entries))
        self._log.trouble(
            logging.ERROR,
            "events became dead letters",
            {"reason": rejection.reason},
            batch=str(batch),
            events=len(batch.entries),
            attempts=rejection.attempts,
        )

    def switched(self, cause: Cause | None) -> None:
        """Log that the breaker opened because of *cause*, or closed (None)."""
        if not cause:
            self._log.end(OPENED, "the breaker closed: events are sent again")
            return
        self._log.trouble(
            LEVELS[cause],
            OPENED,
            {"cause": cause},
            reason=self.trouble.reason if self.trouble else "",
            remedy=self.trouble.remedy if self.trouble else "",
        )

    def lost(self, batch: Batch) -> None:
        """Count and log waiting events that were discarded from a full spool."""
        self.lost_events.inc(len(batch.entries))
        self._log.trouble(
            logging.ERROR,
            "the spool is full: the oldest events are lost",
            {},
            batch=str(batch),
            events=len(batch.entries),
        )

    def _count_delivered(self, batch: Batch) -> None:
        self.delivered.inc(len(batch.entries))
        now = round(self._wall() * 1000)
        for event in batch.events:
            # The engine's clock may be ahead of ours, and a sum must never shrink.
            seconds = max(0, now - event.timestamp) / 1000
            self._latency.observe(seconds)
            self.latencies.append(seconds)
