"""
The slots between spool and backend: each takes a batch, sends it and settles it.

A batch that fails or is refused is halved until the bad event is alone. If the attempt
was slow, its events are sent one by one instead. A single event that fails or is
refused is parked, together with its lane.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from exporter.delivery.backend import Backend
from exporter.delivery.breaker import (
    BLOCKED_SECONDS,
    LONGEST_SECONDS,
    Breaker,
    Cause,
    Ticket,
)
from exporter.delivery.gate import Gate
from exporter.delivery.outcome import Outcome, outcome_of
from exporter.delivery.pieces import PAUSE_SHARE, SHARE, Parked, Piece
from exporter.delivery.plan import Attempt, Observer, Plan
from exporter.delivery.request import Keys, request_of
from exporter.events import Lane
from exporter.spool import Batch, Outbox, Rejection

MOST_SUSPECTS = 20
"""With this many suspects and no success between them, the setup is wrong."""
GIVE_BACK_AFTER = 3
"""After this many failures in a row a slot gives back what it hasn't tried."""


class Delivery:
    """The delivery from an outbox to its backend; it closes neither."""

    def __init__(
        self, outbox: Outbox, backend: Backend, observer: Observer, plan: Plan
    ) -> None:
        self._outbox = outbox
        self._backend = backend
        self._observer = observer
        self._plan = plan
        self.breaker = Breaker(plan.slots, time.monotonic)
        self.parked = Parked()
        self._tasks = asyncio.TaskGroup()
        self._gate = Gate(self.breaker, backend, observer.switched)
        self._working = 0
        self._in_flight = 0
        self._progressed = asyncio.Event()
        self._draining = False
        self._keys = Keys()

    async def run(self) -> None:
        """Deliver until cancelled; events in flight then stay in the spool."""
        async with self._tasks as tasks:
            for number in range(self._plan.slots):
                tasks.create_task(self._serve(number), name=f"slot-{number}")
            for number in range(max(1, self._plan.slots // 4)):
                tasks.create_task(self._serve_parked(), name=f"parked-{number}")

    async def drain(self, seconds: float) -> None:
        """
        Retry parked events at once, and deliver until nothing waits.

        Return earlier if *seconds* are over or the backend fails.
        """
        self._draining = True
        self.breaker.end_pause()
        self.parked.make_due(time.monotonic(), everything=True)
        self._outbox.hurry()
        self._gate.wake()
        if self.breaker.pause >= seconds:
            return  # the backend asked for a longer pause
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._in_flight or not (self._gate.closed or self._done):
                    self._progressed.clear()
                    await self._progressed.wait()

    @property
    def _done(self) -> bool:
        """Whether nothing can be sent, at least not now."""
        later = self.parked.due > time.monotonic()
        idle = later and not self._working and self._outbox.exhausted
        return idle or self._outbox.empty.is_set()

    async def _serve(self, number: int) -> None:
        """
        Deliver one batch after the other; settle one while the next is sent.

        After failures every other slot takes the newest events, because bad events may
        be in front.
        """
        settling: asyncio.Task[None] | None = None
        while True:
            troubled = self.breaker.troubled
            number += self._plan.slots == 1  # a single slot alternates
            newest = troubled and number % 2 == 1
            events = min(self.breaker.events, self._plan.limits.events)
            limits = replace(self._plan.limits, events=events)
            batch = [Piece(await self._outbox.take(limits, newest=newest))]
            delivered = await self._send_all(batch, risky=troubled and not newest)
            if settling:
                await settling  # so a slow disk delays at most one batch of each slot
            settling = self._tasks.create_task(self._settle(delivered))

    async def _serve_parked(self) -> None:
        """Retry one parked piece after the other, each when it is due."""
        while True:
            while (wait := self.parked.due - time.monotonic()) > 0:
                self.parked.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._gate.longest_wait(wait)):
                        await self.parked.changed.wait()
                if self._gate.credentials_changed():
                    self.parked.make_due(time.monotonic())
            await self._settle(await self._send_all([self.parked.pop()], risky=True))

    async def _send_all(self, pieces: list[Piece], *, risky: bool) -> Batch:
        """Send *pieces* one by one; return the last delivered batch, to be settled."""
        self._working += 1
        delivered = Batch(())
        stack = pieces[::-1]
        while stack:
            # A lane is free once its batch is settled on disk, also for the next piece.
            await self._settle(delivered)
            delivered = Batch(())
            piece = await self._load(stack.pop())
            if piece.size:
                delivered = await self._send(piece, stack, risky=risky)
        self._working -= 1
        self._progressed.set()
        return delivered

    async def _send(self, piece: Piece, stack: list[Piece], *, risky: bool) -> Batch:
        """Send *piece*, or the first part of it; return the delivered events."""
        ticket = await self._gate.ticket(risky=risky)
        if piece.size > ticket.events:
            piece, rest = piece.split(ticket.events)
            stack.append(rest)
        if (outcome := await self._attempt(piece)) is Outcome.DELIVERED:
            self._delivered(piece, ticket)
            return piece.batch
        self._end_flight()
        blocked = outcome is Outcome.BLOCKED
        of_the_event = blocked and self.breaker.works and piece.answer.status
        if outcome is Outcome.REJECTED or of_the_event:
            await self._rejected(piece, ticket, stack, blocked=blocked)
        else:
            self._failed(piece, ticket, stack, blocked=blocked)
        if ticket.probe or self.breaker.failures >= GIVE_BACK_AFTER:
            self._give_back(stack)
            stack.clear()
        return Batch(())

    async def _attempt(self, piece: Piece) -> Outcome:
        """Post *piece* once; it is in flight until it fails or is settled."""
        self._in_flight += 1
        piece.attempts += 1
        started = time.monotonic()
        request = request_of(piece.batch, self._plan.cluster_id, self._plan.body_format)
        self._keys.give(request)
        answer = await self._backend.post(request)
        self._keys.learn(request, answer)
        outcome = outcome_of(answer, self._plan.outcomes)
        seconds = time.monotonic() - started
        piece.tried(answer, seconds)
        parked = len(self.parked)
        self._observer.attempted(
            Attempt(piece.batch, piece.attempts, answer, outcome, seconds, parked)
        )
        return outcome

    def _delivered(self, piece: Piece, ticket: Ticket) -> None:
        now = time.monotonic()
        if self.breaker.delivered(ticket, piece.size if piece.is_fresh else 0):
            self.parked.make_due(now)
        self.parked.retry_suspects(self.breaker.success_began_at, now)
        self._gate.wake()

    async def _rejected(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> None:
        """Halve *piece*; a single event becomes a suspect or a dead letter."""
        bad = piece.refused_before(self.breaker.success_began_at, alone=blocked)
        if blocked:
            self.breaker.failed(
                ticket, known_to_fail=bad, alone=piece.size > 1, cause=Cause.BLOCKED
            )
        else:
            self.breaker.refused(ticket)
        self._gate.wake()
        piece.refuse(time.monotonic())
        if piece.size > 1:
            self._split(piece, stack)
        elif bad:
            await self._dead_letter(piece.batch, piece.rejection)
        else:
            # A wrong setup may be fixed at any moment, so one more refusal decides.
            self.parked.suspect(piece)
            self._park(piece, stack, blocked=True)
            refusing = self.breaker.cause is Cause.REFUSING
            if not refusing and len(self.parked.suspects) >= MOST_SUSPECTS:
                self.breaker.block()
                self._gate.wake()

    def _failed(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> None:
        """Retry *piece* in smaller parts; a single event is parked."""
        now, known_to_fail = time.monotonic(), piece.known_to_fail
        alone = piece.fail(now, ticket.started, self.breaker.succeeded_at)
        pause = min(piece.answer.retry_after, self._plan.retry_after_seconds)
        if not pause and piece.answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            pause = self.breaker.next_wait()
        self.breaker.failed(
            ticket,
            known_to_fail=known_to_fail,
            alone=alone or (piece.size > 1 and not piece.slow),
            cause=Cause.BLOCKED if blocked else Cause.FAILING,
            at_once=blocked and not alone,
        )
        self.breaker.hold_off(pause)
        self._gate.wake()
        if known_to_fail:
            seconds = SHARE * (now - ticket.started) / self._plan.slots
            self.parked.rest(ticket.started, seconds + PAUSE_SHARE * pause)
        if self._draining and not piece.failed_alone:
            self._gate.closed = True
        first = piece.attempts == 1 and self.breaker.failures < GIVE_BACK_AFTER
        if pause and first and not alone and not ticket.probe:
            stack.append(piece)  # at first a pause is taken to be about all events
        elif piece.size > 1:
            self._split(piece, stack)
        else:
            self._park(piece, stack, blocked=blocked)

    def _split(self, piece: Piece, stack: list[Piece]) -> None:
        """Continue with halves; give a slow piece back, to be sent one by one."""
        if piece.is_fresh:
            self.breaker.shrink(piece.size, piece.slow)
        if piece.slow:
            self._give_back_lanes(piece.lanes, stack)
            self._give_back([piece])
        else:
            stack.extend(reversed(piece.split((piece.size + 1) // 2)))

    def _park(self, piece: Piece, stack: list[Piece], *, blocked: bool) -> None:
        """Park *piece* without a slot; later events of its lane wait in the spool."""
        if piece.is_fresh and piece.slow:
            self.breaker.shrink(piece.size, piece.slow)
        longest = BLOCKED_SECONDS if blocked else LONGEST_SECONDS
        self._give_back_lanes(piece.lanes, stack)
        self.parked.add(piece, time.monotonic() + min(piece.next_wait(), longest))

    def _give_back_lanes(self, lanes: set[Lane], stack: list[Piece]) -> None:
        """Give back the events of *lanes* in *stack*, to keep the order of a lane."""
        parts = [piece.without(lambda event: event.lane in lanes) for piece in stack]
        stack[:] = [rest for rest, _ in parts if rest.size]
        self._give_back(removed for _, removed in parts)

    def _give_back(self, pieces: Iterable[Piece]) -> None:
        self._outbox.give_back([e for piece in pieces for e in piece.batch.entries])

    async def _load(self, piece: Piece) -> Piece:
        """Return *piece* with its events; those too old become dead letters."""
        if not piece.size:
            piece.batch = await self._outbox.load([piece.sequence])
        if not self._plan.max_age_seconds:
            return piece
        oldest = (time.time() - self._plan.max_age_seconds) * 1000
        piece, old = piece.without(lambda event: event.timestamp < oldest)
        if old.size:
            rejection = Rejection(self._plan.too_old, attempts=piece.attempts)
            await self._dead_letter(old.batch, rejection)
        return piece

    async def _dead_letter(self, batch: Batch, rejection: Rejection) -> None:
        await self._outbox.reject(batch, rejection)
        self._observer.dead_lettered(batch, rejection)
        self._progressed.set()

    async def _settle(self, batch: Batch) -> None:
        if batch.entries:
            await self._outbox.settle(batch)
            self._end_flight()

    def _end_flight(self) -> None:
        self._in_flight -= 1
        self._progressed.set()
