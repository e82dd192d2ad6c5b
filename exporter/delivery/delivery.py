"""The slots between spool and backend: take, post, settle, and again."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from exporter.delivery.backend import Backend
from exporter.delivery.clock import LONGEST_SECONDS, Clock, waits
from exporter.delivery.outcome import Answer, Outcome, outcome_of
from exporter.delivery.request import Request, request_of
from exporter.spool import Batch, Limits, Outbox

BLOCKED_SECONDS = 30.0
"""How long at most before it's seen that somebody mended the setup."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST of one batch, and what became of it."""

    batch: Batch
    number: int
    answer: Answer
    outcome: Outcome
    seconds: float


class Watch(Protocol):
    """Who wants to know what delivery does."""

    def attempted(self, attempt: Attempt) -> None:
        """Learn of *attempt*, as soon as it is over."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one backend is served."""

    slots: int
    """Requests in flight at once, at most."""
    limits: Limits
    cluster_id: str = ""


class Delivery:
    """The way from an outbox to its backend; it owns neither, so it closes neither."""

    def __init__(
        self, outbox: Outbox, backend: Backend, watch: Watch, plan: Plan
    ) -> None:
        """Take from *outbox*, post to *backend* as *plan* says, and tell *watch*."""
        self._outbox = outbox
        self._backend = backend
        self._watch = watch
        self._plan = plan
        self._clock = Clock()
        self._draining = asyncio.Event()
        self._given_up = asyncio.Event()
        self._in_flight = 0
        self._landed = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled; what is in flight then stays in the spool."""
        async with asyncio.TaskGroup() as slots:
            for number in range(self._plan.slots):
                slots.create_task(self._serve(slots), name=f"slot-{number}")

    async def drain(self, seconds: float) -> None:
        """
        Return once nothing waits, or *seconds* are over, or an attempt fails.

        Whatever waits for a better moment gets one more chance at once, and what is in
        flight when an attempt fails may still land.
        """
        self._draining.set()
        self._clock.wake()
        self._outbox.hurry()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _first_of(self._outbox.empty, self._given_up)
                while self._in_flight:
                    self._landed.clear()
                    await self._landed.wait()

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        """Deliver one batch after the other; while one is settled, the next is sent."""
        settling: asyncio.Task[None] | None = None
        while not self._given_up.is_set():
            batch = await self._outbox.take(self._plan.limits)
            if not await self._deliver(batch):
                return
            if settling:
                await settling  # a slow disk holds up one batch per slot, and no more
            settling = tasks.create_task(self._settle(batch))

    async def _deliver(self, batch: Batch) -> bool:
        """Post *batch* until it is accepted; False when it was given up."""
        request = request_of(batch, self._plan.cluster_id)
        own_waits = waits()
        number = 0
        while True:
            await self._clock.wait()
            if self._given_up.is_set():
                return False
            number += 1
            started = time.monotonic()
            outcome = await self._attempt(batch, request, number)
            if outcome is Outcome.DELIVERED:
                return True
            # Refused batches wait like blocked ones, whole: nothing is lost meanwhile.
            postponed = outcome is Outcome.POSTPONED
            at_most = LONGEST_SECONDS if postponed else BLOCKED_SECONDS
            if not self._clock.failed(started, at_most):
                await self._pause(min(next(own_waits), at_most))

    async def _attempt(self, batch: Batch, request: Request, number: int) -> Outcome:
        """Post *batch* once; it is in flight until it's refused, or settled."""
        self._in_flight += 1
        started = time.monotonic()
        answer = await self._backend.post(request)
        seconds = time.monotonic() - started
        outcome = outcome_of(answer)
        self._watch.attempted(Attempt(batch, number, answer, outcome, seconds))
        if outcome is Outcome.DELIVERED:
            self._clock.succeeded()
            return outcome
        if self._draining.is_set():
            self._given_up.set()
        self._land()
        return outcome

    async def _settle(self, batch: Batch) -> None:
        await self._outbox.settle(batch)
        self._land()

    def _land(self) -> None:
        self._in_flight -= 1
        self._landed.set()

    async def _pause(self, seconds: float) -> None:
        """Wait *seconds*, or until the drain begins."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()


async def _first_of(*events: asyncio.Event) -> None:
    """Return when one of *events* is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
