"""
Counts and log lines about the delivery to one backend.

A success is counted and not logged. A failure that repeats is logged every half a
minute, and its end once.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from exporter.delivery import Attempt, Cause, Outcome, remedy
from exporter.events import ONLY_BACKEND
from exporter.spool import Batch, Rejection
from exporter.watch.log_limit import LimitedLog
from exporter.watch.metrics import Metrics

log = logging.getLogger(__name__)

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
        self.latency = metrics.latency_of(name)
        self.attempts = dict.fromkeys(Outcome, 0)
        self.delivered = 0
        self.dead_letters = 0
        self.lost_events = 0
        self._attempt_seconds = metrics.attempt_seconds.labels(name)

    def attempted(self, attempt: Attempt) -> None:
        """Count one attempt, and log a failure that begins, changes or ends."""
        outcome, reason = attempt.outcome, attempt.answer.detail
        self.attempts[outcome] += 1
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
        self.dead_letters += len(batch.entries)
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
        self.lost_events += len(batch.entries)
        self._log.trouble(
            logging.ERROR,
            "the spool is full: the oldest events are lost",
            {},
            batch=str(batch),
            events=len(batch.entries),
        )

    def _count_delivered(self, batch: Batch) -> None:
        self.delivered += len(batch.entries)
        now = round(self._wall() * 1000)
        # The engine's clock may be ahead of ours, and a sum must never shrink.
        self.latency.add([max(0, now - event.timestamp) for event in batch.events])
