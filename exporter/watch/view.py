"""
Spool and deliveries in the numbers that metrics and status show.

Read when somebody asks, never kept: two places that show the same can't disagree.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from exporter.delivery import Cause, Delivery, State
from exporter.spool import Held, Spool, SpoolFailedError
from exporter.watch.inflow import Inflow

LOOK_SECONDS = 1.0
"""How long the disk may take to tell what waits first."""


def age_of(oldest: int | None, now: float) -> float:
    """Return how many seconds *oldest*, in engine milliseconds, is before *now*."""
    return 0.0 if oldest is None else max(0.0, now - oldest / 1000)


class View:
    """What is asked of a running exporter."""

    def __init__(
        self, spool: Spool, deliveries: Mapping[str, Delivery], inflow: Inflow
    ) -> None:
        """Look at *spool* and *deliveries*; *inflow* knows what came in."""
        self.spool = spool
        self.backends = {
            name: BackendView(spool, name, delivery)
            for name, delivery in deliveries.items()
        }
        self._inflow = inflow

    async def look(self) -> None:
        """Ask the file what waits first; a disk that hangs or fails lets it stand."""
        with suppress(TimeoutError, SpoolFailedError):
            async with asyncio.timeout(LOOK_SECONDS):
                for each in self.backends.values():
                    each.oldest = await self.spool.oldest(each.name)

    @property
    def left_behind(self) -> int:
        """How many events wait for backends that aren't configured any more."""
        return sum(held.rows for held in self.spool.left_behind.values())

    @property
    def seconds_left(self) -> float:
        """How long there is room if as much comes as lately and nothing leaves."""
        held = self.spool.waiting.size + self.spool.dead.size
        return self._inflow.seconds_to_fill(max(0, self.spool.limit - held))


class BackendView:
    """What is asked of the way to one backend."""

    def __init__(self, spool: Spool, name: str, delivery: Delivery) -> None:
        """Look at what *spool* holds for the backend *name*, and at its *delivery*."""
        self._spool = spool
        self.name = name
        self.delivery = delivery
        self.oldest: int | None = None
        """Engine time of what waits first, as of the last look."""

    def is_in(self, state: State) -> bool:
        """Whether the breaker is in *state*."""
        return self.delivery.breaker.state is state

    def is_due_to(self, cause: Cause) -> bool:
        """Whether *cause* keeps the breaker from being closed."""
        return self.delivery.breaker.cause is cause

    @property
    def waiting(self) -> Held:
        """What waits for it."""
        return self._spool.waiting_for(self.name)

    @property
    def age_seconds(self) -> float:
        """How old the event that waits first is; 0 when none waits."""
        return age_of(self.oldest, time.time()) if self.waiting.rows else 0.0

    @property
    def next_attempt_seconds(self) -> float:
        """How long nothing is sent: the backend is paused, or all that waits is."""
        pause, aside = self.delivery.breaker.pause, self.delivery.aside
        if not aside or not self._spool.outboxes[self.name].exhausted:
            return pause
        return max(pause, aside.due - time.monotonic())
