"""The state of the spool and of every delivery at one moment, for status and gauges."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from exporter.delivery import Cause, Delivery, State
from exporter.spool import Held, Outbox, Spool, SpoolFailedError
from exporter.watch.inflow import Inflow

READ_SECONDS = 1.0
"""How long the spool may take to read the oldest events."""


@dataclass(frozen=True, slots=True)
class BackendSnapshot:
    """The state of one backend's delivery."""

    waiting: Held
    age_seconds: float
    """The age of the oldest waiting event, 0 if none waits."""
    parked: int
    suspects: int
    next_attempt_seconds: float
    """How long nothing will be sent."""
    state: State
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a running exporter; use it at once, because *spool* isn't a copy."""

    spool: Spool
    backends: Mapping[str, BackendSnapshot]
    seconds_left: float
    """How long the spool has room at today's rate if nothing is delivered."""


class Snapshots:
    """Takes snapshots of a running exporter."""

    def __init__(
        self, spool: Spool, deliveries: Mapping[str, Delivery], inflow: Inflow
    ) -> None:
        self._spool = spool
        self._deliveries = deliveries
        self._inflow = inflow
        self._oldest: dict[str, int | None] = {}
        """The engine time of each backend's oldest event, as last read."""

    async def take(self) -> Snapshot:
        """
        Return the state of now.

        While the disk hangs or fails, the oldest events of the last snapshot are used.
        """
        with suppress(TimeoutError, SpoolFailedError):
            async with asyncio.timeout(READ_SECONDS):
                for name in self._deliveries:
                    self._oldest[name] = await self._spool.oldest(name)
        held = self._spool.waiting.size + self._spool.dead.size
        return Snapshot(
            self._spool,
            {name: self._of(name, each) for name, each in self._deliveries.items()},
            self._inflow.seconds_to_fill(max(0, self._spool.limit - held)),
        )

    def _of(self, name: str, delivery: Delivery) -> BackendSnapshot:
        waiting = self._spool.waiting_for(name)
        oldest = self._oldest.get(name) if waiting.rows else None
        return BackendSnapshot(
            waiting=waiting,
            age_seconds=age_of(oldest, time.time()),
            parked=len(delivery.parked),
            suspects=len(delivery.parked.suspects),
            next_attempt_seconds=_next_attempt(delivery, self._spool.outboxes[name]),
            state=delivery.breaker.state,
            cause=delivery.breaker.cause,
        )


def age_of(oldest: int | None, now: float) -> float:
    """Return the age in seconds, at *now*, of an event with the time *oldest* in ms."""
    return 0.0 if oldest is None else max(0.0, now - oldest / 1000)


def _next_attempt(delivery: Delivery, outbox: Outbox) -> float:
    """Return how many seconds nothing is sent: a pause, or all events are parked."""
    pause, parked = delivery.breaker.pause, delivery.parked
    if not parked or not outbox.exhausted:
        return pause
    return max(pause, parked.due - time.monotonic())
