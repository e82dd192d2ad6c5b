"""
One verb per occurrence: it counts and logs, so that the two can't disagree.

The normal case is a metric and no line. What fails again and again in the same way is
one line every half a minute, and one when it is over.
"""

import logging
import math
import time
from collections.abc import Callable, Hashable, Iterable
from itertools import groupby, islice
from operator import attrgetter

from exporter.delivery import Attempt, Cause, Outcome, remedy
from exporter.ingest import Received
from exporter.operations.metrics import ANSWERS, OTHER, REFUSALS, Metrics, Trouble
from exporter.spool import Batch, Salvaged, Unreadable, Verdict

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

# What keeps the broker from getting on, until somebody or something changes.
HINDRANCES = (401, 429, 503)


FILLED = (0.5, 0.8, 0.95)
"""How full the spool is when that is worth a line."""
QUIET_SECONDS = 30.0
"""How long the same news isn't worth another line."""
LARGEST_MEMORY = 1000
MOST_REASONS = 10
"""Lines that one bulk request may cause."""


class Observer:
    """Watches the stages; they know only the verbs they use."""

    def __init__(
        self,
        metrics: Metrics,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Count in *metrics*; *now* is a monotonic clock, *wall* the engine's."""
        self._metrics = metrics
        self._now = now
        self._wall = wall
        self._said: dict[tuple[Hashable, ...], float] = {}
        self._over: dict[str, float] = {}
        self._hindered = False
        self._complained = False
        self._opened = False
        self._step = 0
        """How many of the steps to a full spool were passed."""

    def received(self, bulk: Received) -> None:
        """Count a bulk request that is safe on disk, and log what was odd about it."""
        accepted = bulk.accepted
        records = self._metrics.records
        records.labels("accepted").inc(len(accepted.entries))
        kept_before = len(bulk.unreadable) - accepted.kept_aside
        records.labels("repeat").inc(accepted.repeats + kept_before)
        records.labels("kept_aside").inc(accepted.kept_aside)
        not_selected = bulk.records - bulk.events - len(bulk.unreadable)
        records.labels("not_selected").inc(not_selected)
        self._metrics.bulk_seconds.observe(bulk.seconds)
        self._metrics.inflow.add(_new_bytes(bulk))
        for event in accepted.epochs:
            self._metrics.epochs.inc()
            log.warning(
                "positions started again: was the engine purged or restored?",
                extra={"partition": event.partition, "position": event.position},
            )
        if accepted.assumed and self._is_news("assumed"):
            log.warning(
                "records older than the memory were taken for repeats",
                extra={
                    "records": len(accepted.assumed),
                    "partition": accepted.assumed[0].partition,
                    "position": accepted.assumed[0].position,
                },
            )
        if accepted.kept_aside:
            self._kept_aside(bulk.unreadable)
        self._filled(accepted.filled)
        if self._hindered and self._is_over("refused"):
            self._hindered = False
            log.info("bulk requests are accepted again")

    def _filled(self, filled: float) -> None:
        """Warn when the spool has filled up by another step, long before it's full."""
        step = sum(filled >= each for each in FILLED)
        if step > self._step:
            log.warning(
                "the spool fills up: when it is full, the broker has to wait",
                extra={
                    "percent": int(100 * filled),
                    "remedy": "See the command status: get the backend going, decide "
                    "about dead letters, or raise APP_INTEGRATIONS_SPOOL_MAX_BYTES",
                },
            )
        self._step = step

    def refused(self, status: int, reason: str) -> None:
        """Count a request answered with an error, and log it when that is new."""
        known = str(status) in REFUSALS
        self._metrics.refusals.labels(str(status) if known else "400").inc()
        if self._is_news("refused", status):
            self._hindered = self._hindered or status in HINDRANCES
            fields = {"status": status, "reason": reason}
            log.warning("request refused", extra=fields)

    def answered(self, status: int) -> None:
        """Count an answer to the broker."""
        known = str(status) in ANSWERS
        self._metrics.answers.labels(str(status) if known else OTHER).inc()

    def attempted(self, attempt: Attempt) -> None:
        """Count one attempt, and log trouble when it begins, changes or ends."""
        outcome, answer, batch = attempt.outcome, attempt.answer, str(attempt.batch)
        self._metrics.attempts.labels(outcome).inc()
        self._metrics.attempt_seconds.observe(attempt.seconds)
        if outcome is Outcome.DELIVERED:
            self._delivered(attempt.batch)
            if not attempt.aside:
                self._metrics.trouble = None
            if self._complained and not attempt.aside and self._is_over("delivery"):
                self._complained = False
                log.info("the backend accepts events again")
            return
        trouble = Trouble(outcome, answer.detail, remedy(answer), self._wall())
        self._metrics.trouble = trouble
        if not self._is_news("delivery", outcome, answer.detail):
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
        log.log(LEVEL[outcome], "batch not delivered", extra=fields)

    def buried(self, batch: Batch, verdict: Verdict) -> None:
        """Count events that became dead letters; somebody has to look at them."""
        self._metrics.buried.inc(len(batch.entries))
        if self._is_news("buried", verdict.reason):
            fields = {
                "reason": verdict.reason,
                "batch": str(batch),
                "events": len(batch.entries),
                "attempts": verdict.attempts,
            }
            log.error("events became dead letters", extra=fields)

    def switched(self, cause: Cause | None) -> None:
        """Log that the breaker opened and what to do, or that it closed."""
        if cause and self._is_news("breaker", cause):
            self._opened = True
            trouble = self._metrics.trouble
            fields = {
                "cause": cause,
                "reason": trouble.reason if trouble else "",
                "remedy": trouble.remedy if trouble else "",
            }
            message = "the breaker opened: nothing is sent but probes"
            log.log(OPENED_LEVEL[cause], message, extra=fields)
        if not cause and self._opened and self._is_over("breaker"):
            self._opened = False
            log.info("the breaker closed: events are sent again")

    def lost(self, batch: Batch) -> None:
        """Count waiting events that were given up because the spool is full."""
        self._metrics.lost.inc(len(batch.entries))
        if self._is_news("lost"):
            fields = {"batch": str(batch), "events": len(batch.entries)}
            log.error("the spool is full: the oldest events are lost", extra=fields)

    def salvaged(self, salvaged: Salvaged) -> None:
        """Count a spool that was damaged, and tell whoever has to look at its disk."""
        self._metrics.salvages.inc()
        missing = salvaged.missing
        log.critical(
            "the spool was damaged: what could be read of it was salvaged",
            extra={
                "waiting_events": salvaged.events,
                "dead_letters": salvaged.dead_letters,
                "missing": "unknown" if missing is None else missing,
                "aside": str(salvaged.aside),
                "remedy": "Check the disk and its filesystem. Keep the files set aside "
                "until it's clear what the backend lacks; nothing reads them any more",
            },
        )

    def _delivered(self, batch: Batch) -> None:
        """Count events, and how long they took from the engine."""
        entries = batch.entries
        self._metrics.delivered.inc(len(entries))
        moments = [event.timestamp for _, event in entries]
        self._metrics.latency.observe(moments, round(self._wall() * 1000))

    def _kept_aside(self, unreadable: Iterable[Unreadable]) -> None:
        """Name the first record of each reason that is news."""
        by_reason = groupby(sorted(unreadable), key=attrgetter("reason"))
        for reason, records in islice(by_reason, MOST_REASONS):
            if self._is_news("kept aside", reason):
                first, *others = records
                log.error(
                    "records kept aside as dead letters: they can't be mapped",
                    extra={
                        "records": 1 + len(others),
                        "reason": reason,
                        "first": first.action,
                    },
                )

    def _is_over(self, trouble: str) -> bool:
        """
        Whether the end of *trouble* is worth a line; then its return is news at once.

        While trouble comes and goes, the last word in the log stays the trouble.
        """
        now = self._now()
        if now < self._over.get(trouble, -math.inf) + QUIET_SECONDS:
            return False
        self._over[trouble] = now
        for what in [what for what in self._said if what[0] == trouble]:
            del self._said[what]
        return True

    def _is_news(self, *what: Hashable) -> bool:
        """Whether the same wasn't said lately; then it is said now."""
        now = self._now()
        before = self._said.get(what)
        if before is not None and now < before + QUIET_SECONDS:
            return False
        if len(self._said) >= LARGEST_MEMORY:
            self._said.clear()
        self._said[what] = now
        return True


def _new_bytes(bulk: Received) -> int:
    """Return how many bytes the spool has grown by, repeats not counted."""
    size = sum(len(entry.event.body) for entry in bulk.accepted.entries)
    if aside := bulk.accepted.kept_aside:
        # Which of them are repeats isn't told: all count alike.
        all_aside = sum(len(each.body) for each in bulk.unreadable)
        size += all_aside * aside // len(bulk.unreadable)
    return size
