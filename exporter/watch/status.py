"""
How the exporter fares, for an operator at night: one dict, for people and machines.

Pure: it asks nobody anything, and makes what is known into an answer.
"""

import enum
import math
from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter

from exporter import __version__
from exporter.delivery import Cause
from exporter.spool import Held, Spool
from exporter.watch.delivery_metrics import DeliveryMetrics
from exporter.watch.latency import count_of, quantile
from exporter.watch.metrics import Metrics
from exporter.watch.view import BackendView, View, age_of

HOUR = 3600.0


class Delivering(enum.StrEnum):
    """Whether events get through."""

    DELIVERING = "delivering"
    IDLE = "idle"
    """Nothing waits."""
    RETRYING = "retrying"
    """The last attempts failed, too few to say more."""
    OPEN = "open"
    """The backend has trouble: nothing is sent but probes."""
    BLOCKED = "blocked"
    """The setup is wrong: somebody has to change something."""
    STOPPED = "stopped"
    """No service runs."""


FINE = frozenset({Delivering.DELIVERING, Delivering.IDLE, Delivering.RETRYING})


def status_of(
    view: View, metrics: Metrics, *, hindrance: str | None, now: float
) -> dict[str, Any]:
    """
    Return everything there is to say about a running exporter at *now*.

    *hindrance* is why no more can be accepted, if so.
    """
    backends = {
        name: _backend(each, metrics.of[name], now)
        for name, each in view.backends.items()
    }
    fine = all(each["delivery"]["state"] in FINE for each in backends.values())
    withheld = metrics.withheld.report()
    return {
        "ok": fine and not hindrance and not withheld,
        "version": __version__,
        "uptime_seconds": _rounded(max(0.0, now - metrics.started)),
        "backends": backends,
        "spool": _spool(view.spool)
        | {"full": view.spool.full, "hours_left": _rounded(view.seconds_left / HOUR)},
        "ingest": {
            "hindrance": hindrance,
            "answers": _counts(metrics.answers),
            "records": _counts(metrics.records),
            "epochs": _count(metrics.epochs),
            "withheld": withheld,
        },
    }


def _backend(view: BackendView, metrics: DeliveryMetrics, now: float) -> dict[str, Any]:
    """Return how one backend fares."""
    state = _state(view, metrics)
    breaker, aside = view.delivery.breaker, view.delivery.aside
    return {
        "delivery": {
            "state": state,
            "trouble": None if state is Delivering.IDLE else _trouble(metrics, now),
            "next_attempt_seconds": _rounded(view.next_attempt_seconds),
            "breaker": breaker.state,
            "cause": breaker.cause,
            "aside_batches": len(aside),
            "suspect_events": len(aside.suspects),
            "attempts": {
                outcome: _count(counter)
                for outcome, counter in metrics.attempts.items()
            },
            "events": _count(metrics.delivered),
        },
        "waiting": _waiting(view.waiting, view.age_seconds)
        | {"lost_events": _count(metrics.lost)},
        "latency": {
            "events": count_of(metrics.latency),
            "p50_seconds": _rounded(quantile(metrics.latency, 0.5)),
            "p95_seconds": _rounded(quantile(metrics.latency, 0.95)),
        },
    }


def _trouble(metrics: DeliveryMetrics, now: float) -> dict[str, Any] | None:
    """Return the last failure, when nothing was taken since."""
    if metrics.trouble is None:
        return None
    return {
        "outcome": metrics.trouble.outcome,
        "reason": metrics.trouble.reason,
        "remedy": metrics.trouble.remedy,
        "ago_seconds": _rounded(max(0.0, now - metrics.trouble.at)),
    }


def status_without_service(
    spool: Spool, oldest: Mapping[str, int | None], now: float
) -> dict[str, Any]:
    """
    Return what *spool* tells by itself, while nobody delivers from it.

    *oldest* is the engine time of what waits first for each backend.
    """
    return {
        "ok": False,
        "version": __version__,
        "backends": {
            name: {
                "delivery": {"state": Delivering.STOPPED},
                "waiting": _waiting(spool.waiting_for(name), age_of(first, now)),
            }
            for name, first in oldest.items()
        },
        "spool": _spool(spool),
    }


def _state(view: BackendView, metrics: DeliveryMetrics) -> Delivering:
    cause = view.delivery.breaker.cause
    if cause is Cause.FAILING:
        return Delivering.OPEN
    if cause:
        return Delivering.BLOCKED
    if not view.waiting.rows:
        return Delivering.IDLE
    waits = metrics.trouble and view.next_attempt_seconds > 0
    return Delivering.RETRYING if waits else Delivering.DELIVERING


def _waiting(held: Held, age_seconds: float) -> dict[str, Any]:
    return {
        "events": held.rows,
        "event_bytes": held.size,
        "oldest_age_seconds": _rounded(age_seconds),
    }


def _spool(spool: Spool) -> dict[str, Any]:
    return {
        "events": spool.waiting.rows,
        "event_bytes": spool.waiting.size,
        "dead_letters": spool.dead.rows,
        "dead_letter_bytes": spool.dead.size,
        "limit_bytes": spool.limit,
        "left_behind": {name: held.rows for name, held in spool.left_behind.items()},
    }


def _counts(counter: Counter) -> dict[str, int]:
    """Return the counts of *counter* by its only label."""
    (family,) = counter.collect()
    return {
        value: int(sample.value)
        for sample in family.samples
        for value in sample.labels.values()
    }


def _count(counter: Counter) -> int:
    (family,) = counter.collect()
    return int(family.samples[0].value)


def _rounded(number: float | None) -> float | None:
    """Return *number* to a thousandth, None when it's none that JSON knows."""
    return None if number is None or math.isinf(number) else round(number, 3)
