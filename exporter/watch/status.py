"""The status of the exporter as one dict: for `status`, for machines, for gauges."""

import asyncio
import math
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from prometheus_client import generate_latest

from exporter import __version__
from exporter.delivery import Cause, Delivery
from exporter.spool import Outbox, Spool, SpoolFailedError
from exporter.watch.backend import Trouble
from exporter.watch.service import ServiceObserver
from exporter.watch.withheld import Withheld

HOUR = 3600.0
READ_SECONDS = 1.0
"""How long the spool may take to read the oldest events."""


FINE = frozenset({"delivering", "idle", "retrying"})
"""States in which nobody has to act."""


class Status:
    """The status of a running exporter."""

    def __init__(
        self,
        spool: Spool,
        deliveries: Mapping[str, Delivery],
        observer: ServiceObserver,
        withheld: Withheld,
    ) -> None:
        self._spool = spool
        self._deliveries = deliveries
        self._observer = observer
        self._withheld = withheld
        self._oldest: dict[str, int | None] = {}
        """The engine time of each backend's oldest event, as last read."""

    async def read(self, hindrance: str | None = None) -> dict[str, Any]:
        """
        Return the status; *hindrance* is the reason why no events can be accepted.

        While the disk hangs or fails, the oldest events are those of the last status.
        """
        with suppress(TimeoutError, SpoolFailedError):
            async with asyncio.timeout(READ_SECONDS):
                for name in self._deliveries:
                    self._oldest[name] = await self._spool.oldest(name)
        spool, observer, now = self._spool, self._observer, self._observer.wall()
        backends = {name: self._backend(name, now) for name in self._deliveries}
        fine = all(each["delivery"]["state"] in FINE for each in backends.values())
        withheld = self._withheld.report()
        room = max(0, spool.limit - spool.waiting.size - spool.dead.size)
        return {
            "ok": fine and not hindrance and not withheld,
            "version": __version__,
            "started_at": _rounded(observer.started),
            "uptime_seconds": _rounded(max(0.0, now - observer.started)),
            "backends": backends,
            "spool": _spool(spool)
            | {
                "full": spool.full,
                "salvages": int(spool.salvaged is not None),
                "hours_left": _rounded(observer.inflow.seconds_to_fill(room) / HOUR),
            },
            "ingest": {
                "hindrance": hindrance,
                "answers": observer.answers,
                "records": observer.records,
                "epochs": observer.epochs,
                "withheld": withheld,
            },
        }

    async def scrape(self) -> bytes:
        """Return the metrics, as Prometheus reads them."""
        metrics = self._observer.metrics
        metrics.status = await self.read()
        return generate_latest(metrics)

    def _backend(self, name: str, now: float) -> dict[str, Any]:
        delivery, observer = self._deliveries[name], self._observer.backends[name]
        outbox, breaker = self._spool.outboxes[name], delivery.breaker
        waiting = _waiting(self._spool, name, self._oldest.get(name), now)
        next_attempt = _next_attempt(delivery, outbox)
        retrying = observer.trouble and next_attempt > 0
        state = _state(breaker.cause, waiting["events"], retrying=bool(retrying))
        trouble = None if state == "idle" else observer.trouble
        return {
            "delivery": {
                "state": state,
                "trouble": trouble and _trouble(trouble, now),
                "next_attempt_seconds": _rounded(next_attempt),
                "breaker": breaker.state,
                "cause": breaker.cause,
                "parked_batches": len(delivery.parked),
                "suspect_events": len(delivery.parked.suspects),
                "attempts": observer.attempts,
                "events": observer.delivered,
                "dead_letters": observer.dead_letters,
            },
            "waiting": waiting | {"lost_events": observer.lost_events},
            "latency": {
                "events": len(observer.latency.last),
                "p50_seconds": _quantile(observer.latency.last, 0.5),
                "p95_seconds": _quantile(observer.latency.last, 0.95),
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
                "delivery": {"state": "stopped"},
                "waiting": _waiting(spool, name, first, now),
            }
            for name, first in oldest.items()
        },
        "spool": _spool(spool),
    }


def _state(cause: Cause | None, waiting: int, *, retrying: bool) -> str:
    if cause:  # the breaker is open, because the backend fails or the setup is wrong
        return "open" if cause is Cause.FAILING else "blocked"
    if not waiting:
        return "idle"
    return "retrying" if retrying else "delivering"


def _next_attempt(delivery: Delivery, outbox: Outbox) -> float:
    """Return how many seconds nothing is sent: a pause, or all events are parked."""
    pause, parked = delivery.breaker.pause, delivery.parked
    if not parked or not outbox.exhausted:
        return pause
    return max(pause, parked.due - time.monotonic())


def _trouble(trouble: Trouble, now: float) -> dict[str, Any]:
    ago = max(0.0, now - trouble.at)
    return trouble._asdict() | {"ago_seconds": _rounded(ago)}


def _waiting(spool: Spool, name: str, oldest: int | None, now: float) -> dict[str, Any]:
    """Return the events that wait for *name*; *oldest* is the engine time of one."""
    held = spool.waiting_for(name)
    age = max(0.0, now - oldest / 1000) if oldest and held.rows else 0.0
    return {
        "events": held.rows,
        "event_bytes": held.size,
        "oldest_age_seconds": _rounded(age),
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


def _quantile(values: Collection[float], share: float) -> float | None:
    ordered = sorted(values)
    return _rounded(ordered[int(share * len(ordered))]) if ordered else None


def _rounded(number: float | None) -> float | None:
    """Return *number* in thousandths, or None for infinity, which JSON lacks."""
    return None if number is None or math.isinf(number) else round(number, 3)
