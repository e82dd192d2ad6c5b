"""
Metrics and log lines about the delivery to one backend.

A success is counted and not logged. A failure that repeats is logged every half a
minute, and its end once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from exporter.delivery import Attempt, Cause, Outcome, State, remedy
from exporter.events import ONLY_BACKEND
from exporter.spool import Batch, Rejection
from exporter.watch.log_limit import LogLimit
from exporter.watch.snapshot import BackendSnapshot

log = logging.getLogger(__name__)

NAMESPACE = "app_integrations_exporter"
ATTEMPT_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)
# Up to a day, because an event may wait as long as the backend is down.
LATENCY_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    *(60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)

GAUGES: dict[str, tuple[str, Callable[[BackendSnapshot], float]]] = {
    "spool_events": ("Events accepted and not settled.", lambda of: of.waiting.rows),
    "spool_event_bytes": (
        "Encoded bytes of events accepted and not settled.",
        lambda of: of.waiting.size,
    ),
    "spool_oldest_event_age_seconds": (
        "Age of the oldest waiting event by the engine's clock, 0 when none waits.",
        lambda of: of.age_seconds,
    ),
    "delivery_parked_batches": (
        "Parked batches and parts of batches: each waits for its own retry.",
        lambda of: of.parked,
    ),
    "delivery_suspect_events": (
        "Events refused on their own: dead letters if they are refused again.",
        lambda of: of.suspects,
    ),
    "delivery_next_attempt_seconds": (
        "Time until the next attempt, when the last attempts failed.",
        lambda of: of.next_attempt_seconds,
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


class BackendMetrics:
    """The metrics that have a label for the backend."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        histogram = partial(Histogram, namespace=NAMESPACE, registry=registry)
        label = ["backend"]
        self.attempts = counter(
            "delivery_attempts_total",
            "Attempts to post a batch.",
            [*label, "outcome"],
        )
        self.delivered = counter(
            "delivery_events_total", "Events that the backend accepted.", label
        )
        self.dead_letters = counter(
            "delivery_dead_letters_total",
            "Events that became dead letters: refused on their own, or too old.",
            label,
        )
        self.lost = counter(
            "spool_lost_events_total",
            "Waiting events discarded because the spool was full (drop-oldest).",
            label,
        )
        self.attempt_seconds = histogram(
            "delivery_attempt_duration_seconds",
            "Time from opening the request to its answer.",
            label,
            buckets=ATTEMPT_SECONDS,
        )
        self.latency = histogram(
            "delivery_latency_seconds",
            "Time from the engine's record to the backend's success, for each event.",
            label,
            buckets=LATENCY_SECONDS,
        )
        self.state = gauge(
            "delivery_breaker_state",
            "1 for the state that the breaker is in, else 0.",
            [*label, "state"],
        )
        self.cause = gauge(
            "delivery_breaker_cause",
            "1 for the reason why the breaker isn't closed, else 0.",
            [*label, "cause"],
        )
        self.gauges = {
            name: gauge(name, meaning, label) for name, (meaning, _) in GAUGES.items()
        }


@dataclass(frozen=True, slots=True)
class Trouble:
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
        metrics: BackendMetrics,
        name: str,
        variable: Callable[[str], str],
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """
        Create every series of the backend *name* at zero.

        *variable* returns the variable of a setting. *now* is a monotonic clock, *wall*
        the time since 1970.
        """
        self._fields = {} if name == ONLY_BACKEND else {"backend": name}
        self._variable = variable
        self._wall = wall
        self._limit = LogLimit(now)
        self._failure_logged = False
        self._opening_logged = False
        self.trouble: Trouble | None = None
        """None after a success, unless parked events still wait for a retry."""
        self.attempts = {each: metrics.attempts.labels(name, each) for each in Outcome}
        self.delivered = metrics.delivered.labels(name)
        self.lost_events = metrics.lost.labels(name)
        self.latency = metrics.latency.labels(name)
        self._dead_letters = metrics.dead_letters.labels(name)
        self._attempt_seconds = metrics.attempt_seconds.labels(name)
        self._states = {each: metrics.state.labels(name, each) for each in State}
        self._causes = {each: metrics.cause.labels(name, each) for each in Cause}
        self._gauges = {key: each.labels(name) for key, each in metrics.gauges.items()}

    def show(self, snapshot: BackendSnapshot) -> None:
        """Set the gauges to the values of *snapshot*."""
        for name, (_, value) in GAUGES.items():
            self._gauges[name].set(value(snapshot))
        for state, gauge in self._states.items():
            gauge.set(snapshot.state is state)
        for cause, gauge in self._causes.items():
            gauge.set(snapshot.cause is cause)

    def attempted(self, attempt: Attempt) -> None:
        """Count one attempt, and log a failure that begins, changes or ends."""
        outcome, answer = attempt.outcome, attempt.answer
        self.attempts[outcome].inc()
        self._attempt_seconds.observe(attempt.seconds)
        if outcome is Outcome.DELIVERED:
            self._count_delivered(attempt.batch)
            if not attempt.parked:
                self._end_trouble()
            return
        what_to_do = remedy(answer, self._variable)
        self.trouble = Trouble(outcome, answer.detail, what_to_do, self._wall())
        if self._limit.allows("delivery", outcome, answer.detail):
            self._failure_logged = True
            self._log(
                LEVELS[outcome],
                "batch not delivered",
                outcome=outcome,
                reason=answer.detail,
                remedy=what_to_do,
                batch=str(attempt.batch),
                events=len(attempt.batch.entries),
                attempt=attempt.number,
                seconds=round(attempt.seconds, 3),
            )

    def dead_lettered(self, batch: Batch, rejection: Rejection) -> None:
        """Count and log events that became dead letters."""
        self._dead_letters.inc(len(batch.entries))
        if self._limit.allows("dead letters", rejection.reason):
            self._log(
                logging.ERROR,
                "events became dead letters",
                reason=rejection.reason,
                batch=str(batch),
                events=len(batch.entries),
                attempts=rejection.attempts,
            )

    def switched(self, cause: Cause | None) -> None:
        """Log that the breaker opened because of *cause*, or closed (None)."""
        if cause and self._limit.allows("breaker", cause):
            self._opening_logged = True
            self._log(
                LEVELS[cause],
                "the breaker opened: nothing is sent but probes",
                cause=cause,
                reason=self.trouble.reason if self.trouble else "",
                remedy=self.trouble.remedy if self.trouble else "",
            )
        if not cause and self._opening_logged and self._limit.allows_end("breaker"):
            self._opening_logged = False
            self._log(logging.INFO, "the breaker closed: events are sent again")

    def lost(self, batch: Batch) -> None:
        """Count and log waiting events that were discarded from a full spool."""
        self.lost_events.inc(len(batch.entries))
        if self._limit.allows("lost"):
            self._log(
                logging.ERROR,
                "the spool is full: the oldest events are lost",
                batch=str(batch),
                events=len(batch.entries),
            )

    def _count_delivered(self, batch: Batch) -> None:
        self.delivered.inc(len(batch.entries))
        now = round(self._wall() * 1000)
        for event in batch.events:
            # The engine's clock may be ahead of ours, and a sum must never shrink.
            self.latency.observe(max(0, now - event.timestamp) / 1000)

    def _end_trouble(self) -> None:
        self.trouble = None
        if self._failure_logged and self._limit.allows_end("delivery"):
            self._failure_logged = False
            self._log(logging.INFO, "the backend accepts events again")

    def _log(self, level: int, message: str, **fields: object) -> None:
        log.log(level, message, extra=self._fields | fields)
