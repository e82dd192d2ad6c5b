"""
One verb per occurrence on the way to one backend: it counts and logs.

The normal case is a metric and no line. What fails again and again in the same way is
one line every half a minute, and one when it is over.
"""

import logging
import time
from collections.abc import Callable

from exporter.delivery import Answer, Attempt, Cause, Outcome, remedy
from exporter.events import ONLY_BACKEND
from exporter.spool import Batch, Rejection
from exporter.watch.delivery_metrics import DeliveryMetrics, Trouble
from exporter.watch.news import News

log = logging.getLogger(__name__)

LEVEL = {
    Outcome.POSTPONED: logging.WARNING,  # nothing is lost, nobody has to act
    Outcome.REJECTED: logging.ERROR,  # somebody has to look, at the backend
    Outcome.BLOCKED: logging.ERROR,  # somebody has to change the setup
}

OPENED_LEVEL = {
    Cause.FAILING: logging.WARNING,  # nobody here has to act, unless it lasts
    Cause.BLOCKED: logging.ERROR,  # somebody has to change the setup
    Cause.REFUSING: logging.ERROR,  # likewise, perhaps the backend's
}


class DeliveryObserver:
    """Watches the delivery to one backend."""

    def __init__(
        self,
        metrics: DeliveryMetrics,
        name: str = ONLY_BACKEND,
        variable: Callable[[str], str] = str,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Count in *metrics*, and log with the *name* of the backend if it has one.

        *variable* returns the variable of a setting. *now* is a monotonic clock, *wall*
        the engine's.
        """
        self._metrics = metrics
        self._named = {} if name == ONLY_BACKEND else {"backend": name}
        self._variable = variable
        self._wall = wall
        self._news = News(now)
        self._complained = False
        self._opened = False

    def attempted(self, attempt: Attempt) -> None:
        """Count one attempt, and log trouble when it begins, changes or ends."""
        outcome, answer, batch = attempt.outcome, attempt.answer, str(attempt.batch)
        self._metrics.attempts[outcome].inc()
        self._metrics.attempt_seconds.observe(attempt.seconds)
        if outcome is Outcome.DELIVERED:
            self._delivered(attempt.batch)
            if attempt.aside:
                return
            self._metrics.trouble = None
            if self._complained and self._news.is_over("delivery"):
                self._complained = False
                log.info("the backend accepts events again", extra=self._named)
            return
        trouble = Trouble(outcome, answer.detail, self._remedy(answer), self._wall())
        self._metrics.trouble = trouble
        if not self._news.is_new("delivery", outcome, answer.detail):
            return
        self._complained = True
        fields = {
            "outcome": outcome,
            "reason": trouble.reason,
            "remedy": trouble.remedy,
            "batch": batch,
            "events": len(attempt.batch.entries),
            "attempt": attempt.number,
            "seconds": round(attempt.seconds, 3),
        }
        log.log(LEVEL[outcome], "batch not delivered", extra=self._named | fields)

    def buried(self, batch: Batch, verdict: Rejection) -> None:
        """Count events that became dead letters; somebody has to look at them."""
        self._metrics.buried.inc(len(batch.entries))
        if self._news.is_new("buried", verdict.reason):
            fields = {
                "reason": verdict.reason,
                "batch": str(batch),
                "events": len(batch.entries),
                "attempts": verdict.attempts,
            }
            log.error("events became dead letters", extra=self._named | fields)

    def switched(self, cause: Cause | None) -> None:
        """Log that the breaker opened and what to do, or that it closed."""
        if cause and self._news.is_new("breaker", cause):
            self._opened = True
            trouble = self._metrics.trouble
            fields = {
                "cause": cause,
                "reason": trouble.reason if trouble else "",
                "remedy": trouble.remedy if trouble else "",
            }
            message = "the breaker opened: nothing is sent but probes"
            log.log(OPENED_LEVEL[cause], message, extra=self._named | fields)
        if not cause and self._opened and self._news.is_over("breaker"):
            self._opened = False
            log.info("the breaker closed: events are sent again", extra=self._named)

    def lost(self, batch: Batch) -> None:
        """Count waiting events that were given up because the spool is full."""
        self._metrics.lost.inc(len(batch.entries))
        if self._news.is_new("lost"):
            fields = {"batch": str(batch), "events": len(batch.entries)}
            log.error(
                "the spool is full: the oldest events are lost",
                extra=self._named | fields,
            )

    def _delivered(self, batch: Batch) -> None:
        """Count events, and how long they took from the engine."""
        entries = batch.entries
        self._metrics.delivered.inc(len(entries))
        now = round(self._wall() * 1000)
        for _, event in entries:
            # The engine's clock may be ahead of ours, and a sum must never shrink.
            self._metrics.latency.observe(max(0, now - event.timestamp) / 1000)

    def _remedy(self, answer: Answer) -> str:
        """Return what to do, with the names that this backend's settings have."""
        return remedy(answer, self._variable)
