"""
One verb per occurrence on the way into the spool: it counts and logs it.

So the two can't disagree. What comes behind is `delivery_observer`'s.

The normal case is a metric and no line. What fails again and again in the same way is
one line every half a minute, and one when it is over.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from exporter.ingest import Received
from exporter.spool import Held, Salvaged, Unreadable
from exporter.watch.metrics import ANSWERS, OTHER, REFUSALS, Metrics
from exporter.watch.news import News

log = logging.getLogger(__name__)

# What keeps the broker from getting on, until somebody or something changes.
HINDRANCES = (401, 429, 503)


FILLED = (0.5, 0.8, 0.95)
"""How full the spool is when that is worth a line."""
MOST_REASONS = 10
"""Lines that one bulk request may cause."""


class Observer:
    """Watches the stages; they know only the verbs they use."""

    def __init__(
        self, metrics: Metrics, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Count in *metrics*; *now* is a monotonic clock."""
        self._metrics = metrics
        self._news = News(now)
        self._hindered = False
        self._step = 0
        """How many of the steps to a full spool were passed."""

    def received(self, bulk: Received) -> None:
        """Count a bulk request that is safe on disk, and log what was odd about it."""
        accepted = bulk.accepted
        records = self._metrics.records
        events = bulk.events - accepted.unknown
        records.labels("accepted").inc(events - accepted.repeats)
        kept_before = len(bulk.unreadable) - accepted.dead_letters
        records.labels("repeat").inc(accepted.repeats + kept_before)
        records.labels("kept_aside").inc(accepted.dead_letters)
        not_selected = bulk.records - events - len(bulk.unreadable)
        records.labels("not_selected").inc(not_selected)
        self._metrics.bulk_seconds.observe(bulk.seconds)
        self._metrics.inflow.add(_new_bytes(bulk))
        for event in accepted.epochs:
            self._metrics.epochs.inc()
            if self._news.is_new("epoch", event.tenant, event.partition):
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
            self._kept_aside(bulk.unreadable)
        self._filled(accepted.filled)
        if self._hindered and self._news.is_over("refused"):
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
        if self._news.is_new("refused", status):
            self._hindered = self._hindered or status in HINDRANCES
            fields = {"status": status, "reason": reason}
            log.warning("request refused", extra=fields)

    def withheld(self, told: Mapping[str, Any] | None) -> None:
        """Log that the broker's exporter withholds events, or no longer does."""
        if told:
            about = {name: told[name] for name in ("reason", "remedy")}
            log.error("the broker withholds events that are selected", extra=about)
        else:
            log.info("the broker withholds no events any more")

    def answered(self, status: int) -> None:
        """Count an answer to the broker."""
        known = str(status) in ANSWERS
        self._metrics.answers.labels(str(status) if known else OTHER).inc()

    def left_behind(self, backend: str, held: Held, dead: Held) -> None:
        """Warn that nobody delivers what waits, or is *dead*, of a past *backend*."""
        log.warning(
            "events wait for a backend that isn't configured any more",
            extra={
                "backend": backend,
                "events": held.rows,
                "dead_letters": dead.rows,
                "remedy": "Configure it again, or decide what becomes of them: "
                "app-integrations-exporter backends --help",
            },
        )

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

    def _kept_aside(self, unreadable: Iterable[Unreadable]) -> None:
        """Name the first record of each reason that is news."""
        by_reason = groupby(sorted(unreadable), key=attrgetter("reason"))
        for reason, records in islice(by_reason, MOST_REASONS):
            if self._news.is_new("kept aside", reason):
                first, *others = records
                log.error(
                    "records kept aside as dead letters: they can't be mapped",
                    extra={
                        "records": 1 + len(others),
                        "reason": reason,
                        "first": first.action,
                    },
                )


def _new_bytes(bulk: Received) -> int:
    """Return how many bytes the spool has grown by, repeats not counted."""
    size = sum(len(entry.event.body) for entry in bulk.accepted.entries)
    if aside := bulk.accepted.dead_letters:
        # Which of them are repeats isn't told: all count alike.
        all_aside = sum(len(each.body) for each in bulk.unreadable)
        size += all_aside * aside // len(bulk.unreadable)
    return size
