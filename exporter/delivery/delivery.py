"""
The slots between spool and backend: take, post, settle, and again.

A piece that isn't taken is halved until the bad event is alone, or if that took long,
sent one by one. A single event that fails or is refused waits aside, with its lane.
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
from exporter.delivery.pieces import SHARE, SILENCES, Aside, Piece
from exporter.delivery.plan import Attempt, Plan, Watch
from exporter.delivery.request import Keys, request_of
from exporter.events import Lane
from exporter.spool import Batch, Outbox, Rejection

MOST_SUSPECTS = 20
"""So many refused events without a success between them, and it's the setup."""
ELSEWHERE = 3
"""After so many failures in a row a slot gives back what it hasn't tried."""


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
        self.breaker = Breaker(plan.slots, time.monotonic)
        self.aside = Aside()
        self._tasks = asyncio.TaskGroup()
        self._gate = Gate(self.breaker, backend, watch.switched)
        self._working = 0
        self._in_flight = 0
        self._landed = asyncio.Event()
        self._draining = False
        self._keys = Keys()

    async def run(self) -> None:
        """Deliver until cancelled; what is in flight then stays in the spool."""
        async with self._tasks as tasks:
            for number in range(self._plan.slots):
                tasks.create_task(self._serve(number), name=f"slot-{number}")
            for number in range(max(1, self._plan.slots // 4)):
                tasks.create_task(self._serve_aside(), name=f"aside-{number}")

    async def drain(self, seconds: float) -> None:
        """
        Return once nothing waits, or *seconds* are over, or the backend fails.

        What waits aside is tried at once; what is in flight may still land.
        """
        self._draining = True
        self.breaker.hurry()
        self.aside.hurry(time.monotonic(), everything=True)
        self._outbox.hurry()
        self._gate.wake()
        if self.breaker.pause >= seconds:
            return  # it asked us to wait for longer than that
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._in_flight or not (self._gate.closed or self._done):
                    self._landed.clear()
                    await self._landed.wait()

    @property
    def _done(self) -> bool:
        """Whether nothing can be done any more, at least not now."""
        later = self.aside.due > time.monotonic()
        idle = later and not self._working and self._outbox.exhausted
        return idle or self._outbox.empty.is_set()

    async def _serve(self, number: int) -> None:
        """
        Work off one batch after the other; one is settled while the next is sent.

        After failures every other slot takes the newest: bad ones may be in front.
        """
        settling: asyncio.Task[None] | None = None
        while True:
            troubled = self.breaker.troubled
            number += self._plan.slots == 1  # a single one begins at both in turn
            newest = troubled and number % 2 == 1
            events = min(self.breaker.events, self._plan.limits.events)
            limits = replace(self._plan.limits, events=events)
            batch = [Piece(await self._outbox.take(limits, newest=newest))]
            delivered = await self._work_off(batch, risky=troubled and not newest)
            if settling:
                await settling  # a slow disk holds up one batch per slot, and no more
            settling = self._tasks.create_task(self._settle(delivered))

    async def _serve_aside(self) -> None:
        """Give one piece after the other its turn when it is due."""
        while True:
            while (wait := self.aside.due - time.monotonic()) > 0:
                self.aside.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._gate.look_again(wait)):
                        await self.aside.changed.wait()
                if self._gate.has_news():
                    self.aside.hurry(time.monotonic())
            await self._settle(await self._work_off([self.aside.pop()], risky=True))

    async def _work_off(self, pieces: list[Piece], *, risky: bool) -> Batch:
        """Post *pieces* one by one; return what was delivered last, to be settled."""
        self._working += 1
        delivered = Batch(())
        stack = pieces[::-1]
        while stack:
            # A lane is free after its settle is on disk, also for our own next piece.
            await self._settle(delivered)
            delivered = Batch(())
            piece = await self._whole(stack.pop())
            if piece.size:
                delivered = await self._post(piece, stack, risky=risky)
        self._working -= 1
        self._landed.set()
        return delivered

    async def _post(self, piece: Piece, stack: list[Piece], *, risky: bool) -> Batch:
        """Post *piece*, or its beginning; return what is delivered of it."""
        ticket = await self._gate.ticket(risky=risky)
        if piece.size > ticket.events:
            piece, rest = piece.split(ticket.events)
            stack.append(rest)
        if (outcome := await self._attempt(piece)) is Outcome.DELIVERED:
            self._delivered(piece, ticket)
            return piece.batch
        self._land()
        blocked = outcome is Outcome.BLOCKED
        of_the_event = blocked and self.breaker.works and piece.answer.status
        if outcome is Outcome.REJECTED or of_the_event:
            await self._rejected(piece, ticket, stack, blocked=blocked)
        else:
            self._failed(piece, ticket, stack, blocked=blocked)
        if ticket.probe or self.breaker.failures >= ELSEWHERE:
            self._give_back(stack)
            stack.clear()
        return Batch(())

    async def _attempt(self, piece: Piece) -> Outcome:
        """Post *piece* once; it is in flight until it's refused, or settled."""
        self._in_flight += 1
        piece.attempts += 1
        started = time.monotonic()
        request = request_of(piece.batch, self._plan.cluster_id, self._plan.written)
        self._keys.give(request)
        answer = await self._backend.post(request)
        self._keys.learn(request, answer)
        outcome = outcome_of(answer, self._plan.outcomes)
        seconds = time.monotonic() - started
        piece.tried(answer, seconds)
        aside = len(self.aside)
        self._watch.attempted(
            Attempt(piece.batch, piece.attempts, answer, outcome, seconds, aside)
        )
        return outcome

    def _delivered(self, piece: Piece, ticket: Ticket) -> None:
        now = time.monotonic()
        if self.breaker.delivered(ticket, piece.size if piece.is_fresh else 0):
            self.aside.hurry(now)
        self.aside.retry_suspects(self.breaker.proof, now)
        self._gate.wake()

    async def _rejected(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> None:
        """Halve *piece*; when it is a single event, decide about it."""
        bad = piece.refused_before(self.breaker.proof, alone=blocked)
        if blocked:
            alone = piece.size > 1
            self.breaker.failed(ticket, known=bad, alone=alone, cause=Cause.BLOCKED)
        else:
            self.breaker.refused(ticket)
        self._gate.wake()
        piece.refuse(time.monotonic())
        if piece.size > 1:
            self._split(piece, stack)
        elif bad:
            await self._bury(piece.batch, piece.verdict)
        else:
            # A wrong setup may be mended at any moment, so one more refusal decides.
            self.aside.suspect(piece)
            self._put_aside(piece, stack, blocked=True)
            refusing = self.breaker.cause is Cause.REFUSING
            if not refusing and len(self.aside.suspects) >= MOST_SUSPECTS:
                self.breaker.block()
                self._gate.wake()

    def _failed(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> None:
        """Try *piece* again in smaller parts, or aside when it is a single event."""
        now, known = time.monotonic(), piece.known
        alone = piece.fail(now, ticket.started, self.breaker.succeeded)
        asked = min(piece.answer.retry_after, self._plan.retry_after_seconds)
        if not asked and piece.answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            asked = self.breaker.wait()
        self.breaker.failed(
            ticket,
            known=known,
            alone=alone or (piece.size > 1 and not piece.slow),
            cause=Cause.BLOCKED if blocked else Cause.FAILING,
            at_once=blocked and not alone,
        )
        self.breaker.silence(asked)
        self._gate.wake()
        if known:
            seconds = SHARE * (now - ticket.started) / self._plan.slots
            self.aside.rest(ticket.started, seconds + SILENCES * asked)
        if self._draining and not piece.lonely:
            self._gate.closed = True
        first = piece.attempts == 1 and self.breaker.failures < ELSEWHERE
        if asked and first and not alone and not ticket.probe:
            stack.append(piece)  # at first this is said of all that we send
        elif piece.size > 1:
            self._split(piece, stack)
        else:
            self._put_aside(piece, stack, blocked=blocked)

    def _split(self, piece: Piece, stack: list[Piece]) -> None:
        """Go on with its halves; what took long goes back, to be sent one by one."""
        if piece.is_fresh:
            self.breaker.shrink(piece.size, piece.slow)
        if piece.slow:
            self._hold_back(piece.lanes, stack)
            self._give_back([piece])
        else:
            stack.extend(reversed(piece.split((piece.size + 1) // 2)))

    def _put_aside(self, piece: Piece, stack: list[Piece], *, blocked: bool) -> None:
        """Let *piece* wait without a slot, and its followers behind it in the spool."""
        if piece.is_fresh and piece.slow:
            self.breaker.shrink(piece.size, piece.slow)
        longest = BLOCKED_SECONDS if blocked else LONGEST_SECONDS
        self._hold_back(piece.lanes, stack)
        self.aside.add(piece, time.monotonic() + min(piece.wait(), longest))

    def _hold_back(self, lanes: set[Lane], stack: list[Piece]) -> None:
        """Take what is in *lanes* out of *stack*: it comes after what waits aside."""
        parts = [piece.without(lambda event: event.lane in lanes) for piece in stack]
        stack[:] = [rest for rest, _ in parts if rest.size]
        self._give_back(behind for _, behind in parts)

    def _give_back(self, pieces: Iterable[Piece]) -> None:
        """Let *pieces* wait in the spool again."""
        self._outbox.give_back([e for piece in pieces for e in piece.batch.entries])

    async def _whole(self, piece: Piece) -> Piece:
        """Return *piece* with its event, without those too old, which are buried."""
        if not piece.size:
            piece.batch = await self._outbox.load([piece.sequence])
        if not self._plan.max_age_seconds:
            return piece
        oldest = (time.time() - self._plan.max_age_seconds) * 1000
        piece, old = piece.without(lambda event: event.timestamp < oldest)
        if old.size:
            verdict = Rejection(self._plan.too_old, attempts=piece.attempts)
            await self._bury(old.batch, verdict)
        return piece

    async def _bury(self, batch: Batch, verdict: Rejection) -> None:
        await self._outbox.reject(batch, verdict)
        self._watch.buried(batch, verdict)
        self._landed.set()

    async def _settle(self, batch: Batch) -> None:
        if batch.entries:
            await self._outbox.settle(batch)
            self._land()

    def _land(self) -> None:
        self._in_flight -= 1
        self._landed.set()
