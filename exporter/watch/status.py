"""
The status of the exporter as one dict, for `status` and for machines.

Pure: it asks nothing, and only combines a snapshot and counters.
"""

import enum
import math
from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter

from exporter import __version__
from exporter.delivery import Cause
from exporter.spool import Held, Spool
from exporter.watch.backend import BackendObserver, Trouble
from exporter.watch.latency import count_of, quantile
from exporter.watch.service import ServiceObserver
from exporter.watch.snapshot import BackendSnapshot, Snapshot, age_of

HOUR = 3600.0


class Delivering(enum.StrEnum):
    """Whether events are delivered."""

    DELIVERING = "delivering"
    IDLE = "idle"
    """No event waits."""
    RETRYING = "retrying"
    """The last attempts failed, but too few to open the breaker."""
    OPEN = "open"
    """The backend fails: only probes are sent."""
    BLOCKED = "blocked"
    """The setup is wrong: somebody has to change something."""
    STOPPED = "stopped"
    """No service runs."""


FINE = frozenset({Delivering.DELIVERING, Delivering.IDLE, Delivering.RETRYING})


def status_of(
    snapshot: Snapshot, observer: ServiceObserver, *, hindrance: str | None, now: float
) -> dict[str, Any]:
    """
    Return the status of a running exporter at *now*.

    *hindrance* is the reason why no events can be accepted, or None.
    """
    backends = {
        name: _backend(each, observer.backends[name], now)
        for name, each in snapshot.backends.items()
    }
    fine = all(each["delivery"]["state"] in FINE for each in backends.values())
    withheld = observer.withheld.report()
    return {
        "ok": fine and not hindrance and not withheld,
        "version": __version__,
        "uptime_seconds": _rounded(max(0.0, now - observer.started)),
        "backends": backends,
        "spool": _spool(snapshot.spool)
        | {
            "full": snapshot.spool.full,
            "hours_left": _rounded(snapshot.seconds_left / HOUR),
        },
        "ingest": {
            "hindrance": hindrance,
            "answers": _counts(observer.answers),
            "records": _counts(observer.records),
            "epochs": _count(observer.epochs),
            "withheld": withheld,
        },
    }


def status_without_service(
    spool: Spool, oldest: Mapping[str, int | None], now: float
) -> dict[str, Any]:
    """
    Return the status of a *spool* that no service uses.

    *oldest* has the engine time of each backend's oldest event.
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


def _backend(
    snapshot: BackendSnapshot, observer: BackendObserver, now: float
) -> dict[str, Any]:
    state = _state(snapshot, observer.trouble)
    return {
        "delivery": {
            "state": state,
            "trouble": _trouble(observer.trouble, now)
            if observer.trouble and state is not Delivering.IDLE
            else None,
            "next_attempt_seconds": _rounded(snapshot.next_attempt_seconds),
            "breaker": snapshot.state,
            "cause": snapshot.cause,
            "parked_batches": snapshot.parked,
            "suspect_events": snapshot.suspects,
            "attempts": {
                outcome: _count(counter)
                for outcome, counter in observer.attempts.items()
            },
            "events": _count(observer.delivered),
        },
        "waiting": _waiting(snapshot.waiting, snapshot.age_seconds)
        | {"lost_events": _count(observer.lost_events)},
        "latency": {
            "events": count_of(observer.latency),
            "p50_seconds": _rounded(quantile(observer.latency, 0.5)),
            "p95_seconds": _rounded(quantile(observer.latency, 0.95)),
        },
    }


def _state(snapshot: BackendSnapshot, trouble: Trouble | None) -> Delivering:
    if snapshot.cause is Cause.FAILING:
        return Delivering.OPEN
    if snapshot.cause:
        return Delivering.BLOCKED
    if not snapshot.waiting.rows:
        return Delivering.IDLE
    if trouble and snapshot.next_attempt_seconds > 0:
        return Delivering.RETRYING
    return Delivering.DELIVERING


def _trouble(trouble: Trouble, now: float) -> dict[str, Any]:
    return {
        "outcome": trouble.outcome,
        "reason": trouble.reason,
        "remedy": trouble.remedy,
        "ago_seconds": _rounded(max(0.0, now - trouble.at)),
    }


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
    """Return the counts of *counter* by the value of its only label."""
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
    """Return *number* in thousandths, or None for infinity, which JSON lacks."""
    return None if number is None or math.isinf(number) else round(number, 3)
