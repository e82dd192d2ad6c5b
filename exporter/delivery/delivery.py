"""
The slots between spool and backend: take, post, settle, and again.

What a slot took it works off piece by piece. A piece that is refused is halved until
the bad event is alone; one that fails while others get through waits aside, for a turn
of its own, and holds up only its process instances.
"""

import asyncio
import time
from contextlib import suppress

from exporter.delivery.backend import Backend
from exporter.delivery.breaker import (
    BLOCKED_SECONDS,
    LONGEST_SECONDS,
    Breaker,
    Cause,
    State,
    Ticket,
)
from exporter.delivery.gate import Gate
from exporter.delivery.outcome import Outcome, outcome_of
from exporter.delivery.pieces import Aside, Piece
from exporter.delivery.plan import Attempt, Plan, Watch
from exporter.delivery.request import Keys, request_of
from exporter.spool import Batch, Outbox, Verdict

MOST_SUSPECTS = 20
"""So many refused events without a success between them, and it's the setup."""
DECIDES_SECONDS = 1.0
"""How soon after a refusal a success shows that it was meant for the event alone."""


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
        self.breaker = Breaker(plan.slots)
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
                tasks.create_task(self._serve(), name=f"slot-{number}")
            tasks.create_task(self._serve_aside(), name="aside")

    async def drain(self, seconds: float) -> None:
        """
        Return once nothing waits, or *seconds* are over, or the backend fails.

        Whatever waits for a better moment gets one more chance at once, and what is in
        flight when the backend fails may still land.
        """
        self._draining = True
        self.breaker.hurry()
        self.aside.hurry(time.monotonic())
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
        if self._outbox.empty.is_set():
            return True
        later = self.aside.due > time.monotonic()
        return later and not self._working and self._outbox.exhausted

    async def _serve(self) -> None:
        """Work off one batch after the other; one is settled while the next is sent."""
        settling: asyncio.Task[None] | None = None
        while True:
            batch = await self._outbox.take(self._plan.limits)
            delivered = await self._work_off([Piece(batch)])
            if settling:
                await settling  # a slow disk holds up one batch per slot, and no more
            settling = self._tasks.create_task(self._settle(delivered))

    async def _serve_aside(self) -> None:
        """Give one piece after the other its turn when it is due."""
        while True:
            while (wait := self.aside.due - time.monotonic()) > 0:
                self.aside.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait if self.aside else None):
                        await self.aside.changed.wait()
            piece = self.aside.pop()
            await self._settle(await self._work_off(piece.halves_if_lonely()))

    async def _work_off(self, pieces: list[Piece]) -> Batch:
        """Post *pieces* one by one; return what was delivered last, to be settled."""
        self._working += 1
        delivered = Batch(())
        stack = pieces[::-1]
        while stack:
            # A lane is free after its settle is on disk, also for our own next piece.
            await self._settle(delivered)
            delivered = Batch(())
            piece = await self._without_old(stack.pop())
            if piece.size:
                delivered = await self._post(piece, stack)
        self._working -= 1
        self._landed.set()
        return delivered

    async def _post(self, piece: Piece, stack: list[Piece]) -> Batch:
        """Post *piece*, or its beginning; return what is delivered of it."""
        ticket = await self._gate.ticket()
        if piece.size > ticket.events:
            piece, rest = piece.split(ticket.events)
            stack.append(rest)
        outcome = await self._attempt(piece)
        if outcome is Outcome.DELIVERED:
            self._delivered(ticket)
            return piece.batch
        self._land()
        if outcome is Outcome.REJECTED:
            await self._rejected(piece, ticket, stack)
        else:
            self._failed(piece, ticket, stack, blocked=outcome is Outcome.BLOCKED)
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
        piece.answer = answer
        self._watch.attempted(
            Attempt(
                piece.batch,
                piece.attempts,
                answer,
                outcome,
                seconds=time.monotonic() - started,
                aside=len(self.aside),
            )
        )
        return outcome

    def _delivered(self, ticket: Ticket) -> None:
        before, cause = self.breaker.state, self.breaker.cause
        self.breaker.delivered(ticket)
        if before is not State.CLOSED:
            for piece in self.aside.acquit():
                self._outbox.give_back(piece.batch.entries)
        if cause is Cause.REFUSING:
            self.aside.hurry(time.monotonic())
        proof = self.breaker.proof
        for piece in self.aside.convict(proof, DECIDES_SECONDS):
            self._tasks.create_task(self._bury(piece.batch, piece.verdict))
        # Since the others were refused, somebody may have mended what was wrong.
        self.aside.summon(proof, time.monotonic())
        self._gate.wake()

    async def _rejected(self, piece: Piece, ticket: Ticket, stack: list[Piece]) -> None:
        """Halve *piece*; when it is a single event, decide about it."""
        self.breaker.refused(ticket)
        self._gate.wake()
        piece.again = time.monotonic()
        piece.refused = piece.refused or piece.again
        if piece.size > 1:
            stack.extend(reversed(piece.halves()))
        elif piece.refused_before(self.breaker.proof):
            await self._bury(piece.batch, piece.verdict)
        else:
            piece.suspect = self.breaker.cause is not Cause.REFUSING
            self._put_aside(piece, stack, min(next(piece.waits), BLOCKED_SECONDS))
            self._look_at_suspects()

    def _look_at_suspects(self) -> None:
        """Block when there are many: they are none, then, and wait for their turn."""
        suspects = self.aside.suspects
        if len(suspects) >= MOST_SUSPECTS:
            self.breaker.block()
            self._gate.wake()
            for piece in suspects:
                piece.suspect = False

    def _failed(
        self, piece: Piece, ticket: Ticket, stack: list[Piece], *, blocked: bool
    ) -> None:
        """Try *piece* again after the pause, or aside if it fails alone."""
        asked = piece.answer.retry_after if piece.answer else 0.0
        alone = self.breaker.succeeded > (piece.failed or ticket.started)
        self.breaker.failed(
            ticket,
            alone=alone,
            known=piece.lonely > 0,
            blocked=blocked,
            retry_after=min(asked, self._plan.retry_after_seconds),
        )
        self._gate.wake()
        piece.failed = time.monotonic()
        piece.lonely += alone or piece.lonely > 0  # once known, each time counts
        if self._draining and not piece.lonely:
            self._gate.closed = True
        if ticket.probe:
            # The next probe is another one: this may be the event that can't get
            # through, and others can.
            self._put_aside(piece, stack, 0)
        elif piece.lonely or piece.aside:
            longest = BLOCKED_SECONDS if blocked else LONGEST_SECONDS
            self._put_aside(piece, stack, min(next(piece.waits), longest))
        else:
            stack.append(piece)

    def _put_aside(self, piece: Piece, stack: list[Piece], seconds: float) -> None:
        """Let *piece* wait without a slot, and its followers behind it in the spool."""
        lanes = piece.lanes
        followers = []
        for number, other in enumerate(stack):
            stack[number], behind = other.without(lanes)
            followers += behind
        if followers:
            self._outbox.give_back(followers)
        piece.aside = True
        self.aside.add(piece, time.monotonic() + seconds)

    async def _without_old(self, piece: Piece) -> Piece:
        """Return *piece* without the events that became too old, which are buried."""
        if not self._plan.max_age_seconds:
            return piece
        oldest = (time.time() - self._plan.max_age_seconds) * 1000
        entries = piece.batch.entries
        old = [entry for entry in entries if entry.event.timestamp < oldest]
        if not old:
            return piece
        verdict = Verdict(self._plan.too_old, attempts=piece.attempts)
        await self._bury(Batch(old), verdict)
        return piece.of(e for e in entries if e.event.timestamp >= oldest)

    async def _bury(self, batch: Batch, verdict: Verdict) -> None:
        await self._outbox.bury(batch, verdict)
        self._watch.buried(batch, verdict)
        self._landed.set()

    async def _settle(self, batch: Batch) -> None:
        if batch.entries:
            await self._outbox.settle(batch)
            self._land()

    def _land(self) -> None:
        self._in_flight -= 1
        self._landed.set()
