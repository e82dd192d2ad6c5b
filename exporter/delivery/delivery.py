"""The slots between spool and backend: each takes a batch, sends it and settles it."""

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from exporter.delivery.backend import Backend
from exporter.delivery.breaker import LONGEST_SECONDS, Breaker, Cause, Ticket
from exporter.delivery.gate import Gate
from exporter.delivery.outcome import Outcome, outcome_of
from exporter.delivery.pieces import PAUSE_SHARE, SHARE, Parked, Piece
from exporter.delivery.plan import Attempt, Observer, Plan
from exporter.delivery.request import request_of
from exporter.events import Lane
from exporter.spool import Batch, Outbox, Rejection

MOST_SUSPECTS = 20
"""With this many suspects and no success between them, the setup is wrong."""
GIVE_BACK_AFTER = 3
"""After this many failures in a row a slot gives back the events it hasn't sent."""
LOOK_SECONDS = 1.0
"""How often the credentials of a blocked backend are checked for a change."""


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
        self._gate = Gate(self.breaker, observer.switched)
        self._working = 0
        self._in_flight = 0
        self._progressed = asyncio.Event()
        self._draining = False
        self._salt = ""
        """Part of new idempotency keys; empty at first, as before a restart."""

    async def run(self) -> None:
        """Deliver until cancelled; events in flight then stay in the spool."""
        async with self._tasks as tasks:
            tasks.create_task(self._watch_credentials(), name="credentials")
            for number in range(self._plan.slots):
                tasks.create_task(self._serve(number), name=f"slot-{number}")
            for number in range(max(1, self._plan.slots // 4)):
                tasks.create_task(self._serve_parked(), name=f"parked-{number}")

    async def drain(self, seconds: float) -> None:
        """
        Retry parked events at once, and deliver until nothing waits.

        Return earlier if *seconds* are over or the backend stops accepting.
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
                while self._in_flight or not (self._gate.stopped or self._done):
                    self._progressed.clear()
                    await self._progressed.wait()

    @property
    def _done(self) -> bool:
        """Whether nothing is left to send now."""
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
            if self._plan.slots == 1:
                number += 1  # a single slot alternates
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
                    async with asyncio.timeout(min(wait, LONGEST_SECONDS)):
                        await self.parked.changed.wait()
            await self._settle(await self._send_all([self.parked.pop()], risky=True))

    async def _watch_credentials(self) -> None:
        """Send to a blocked backend again as soon as a credential has changed."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            blocked = self.breaker.cause is Cause.BLOCKED
            if blocked and self._backend.credentials_changed():
                self.breaker.end_pause()
                self.parked.make_due(time.monotonic())
                self._gate.wake()

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
        outcome = await self._attempt(piece)
        if outcome is Outcome.DELIVERED:
            self._delivered(piece, ticket)
            return piece.batch
        self._end_flight()
        blocked, is_bad = outcome is Outcome.BLOCKED, False
        # While the backend takes other events, a blocked status is due to this event.
        is_of_event = blocked and self.breaker.works and piece.answer.status
        if outcome is Outcome.REJECTED or is_of_event:
            is_bad = self._refused(piece, ticket, stack, blocked=blocked)
        else:
            self._failed(piece, ticket, stack, blocked=blocked)
        self._gate.wake()
        if is_bad:
            await self._dead_letter(piece.batch, piece.rejection)
        if ticket.probe or self.breaker.failures >= GIVE_BACK_AFTER:
            self._give_back(stack)
            stack.clear()
        return Batch(())

    async def _attempt(self, piece: Piece) -> Outcome:
        """Post *piece* once; it is in flight until it fails or is settled."""
        self._in_flight += 1
        piece.attempts += 1
        plan, started = self._plan, time.monotonic()
        salt = self._salt if piece.salt is None else piece.salt
        request = request_of(piece.batch, plan.cluster_id, plan.body_format, salt)
        answer = await self._backend.post(request)
        seconds = time.monotonic() - started
        piece.tried(answer, seconds, salt)
        outcome = outcome_of(answer, plan.outcomes)
        if outcome is not Outcome.DELIVERED and piece.salt is None:
            self._salt = secrets.token_hex()  # the answer may be stored for its key
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

    def _refused(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> bool:
        """Halve *piece* or park it as a suspect; return whether its event is bad."""
        bad = piece.refused_before(self.breaker.success_began_at, alone=blocked)
        if blocked:
            self.breaker.failed(
                ticket, known_to_fail=bad, counts=piece.size == 1, cause=Cause.BLOCKED
            )
        else:
            self.breaker.refused(ticket)
        piece.refuse(time.monotonic())
        if bad:
            return True
        if piece.size == 1:
            # A wrong setup may be fixed at any moment, so one more refusal decides.
            self.parked.suspect(piece)
            if len(self.parked.suspects) >= MOST_SUSPECTS:
                self.breaker.open_as_refusing()
        self._retry(piece, stack, blocked=True)
        return False

    def _failed(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> None:
        """Retry *piece* in smaller parts; a single event is parked."""
        known, now = piece.known_to_fail, time.monotonic()
        others_work = piece.fail(now, ticket.started, self.breaker.succeeded_at)
        in_parts = piece.size > 1 and not piece.slow
        self.breaker.failed(
            ticket,
            known_to_fail=known,
            counts=not (others_work or in_parts),
            cause=Cause.BLOCKED if blocked else Cause.FAILING,
            at_once=blocked and not others_work,
        )
        pause = self._pause_after(piece)
        self.breaker.hold_off(pause)
        failing = self.breaker.failures >= GIVE_BACK_AFTER
        if known:
            seconds = SHARE * (now - ticket.started) / self._plan.slots
            self.parked.rest(ticket.started, seconds + PAUSE_SHARE * pause)
        elif self._draining and (failing or pause or self.breaker.cause):
            self._gate.stopped = True
        first = piece.is_fresh and not (failing or others_work or ticket.probe)
        if pause and first:
            # After the first attempt, a pause is taken to concern all events.
            stack.append(piece)
        else:
            self._retry(piece, stack, blocked=blocked)

    def _pause_after(self, piece: Piece) -> float:
        """Return how many seconds the backend wants no request after *piece*."""
        pause = min(piece.answer.retry_after, self._plan.retry_after_seconds)
        if not pause and piece.answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return self.breaker.next_wait()
        return pause

    def _retry(self, piece: Piece, stack: list[Piece], *, blocked: bool) -> None:
        """Halve *piece*; give it back if it is slow; park it if it is one event."""
        is_batch = piece.size > 1
        if piece.is_fresh and (is_batch or piece.slow):
            self.breaker.shrink(piece.size, piece.slow)
        if is_batch and not piece.slow:
            stack.extend(reversed(piece.split((piece.size + 1) // 2)))
            return
        self._give_back_lanes(piece.lanes, stack)
        if is_batch:
            self._give_back([piece])  # its events are sent one by one
        else:
            self.parked.add(piece, time.monotonic() + piece.next_wait(blocked=blocked))

    def _give_back_lanes(self, lanes: set[Lane], stack: list[Piece]) -> None:
        """Give back what *stack* has of *lanes*: it mustn't overtake a parked event."""
        parts = [piece.without(lambda event: event.lane in lanes) for piece in stack]
        stack[:] = [rest for rest, _ in parts if rest.size]
        self._give_back(removed for _, removed in parts)

    def _give_back(self, pieces: Iterable[Piece]) -> None:
        self._outbox.give_back([e for piece in pieces for e in piece.batch.entries])

    async def _load(self, piece: Piece) -> Piece:
        """Load the events of *piece*; events that are too old become dead letters."""
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
