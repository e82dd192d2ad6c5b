"""A stub of a backend, and delivery to it from a real spool."""

import asyncio
import inspect
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from exporter.delivery import Answer, Delivery, Plan, breaker
from exporter.spool import Spool
from tests.unit.spools import ANY, a_spool, an_event, only

YES, NO, LATER = Answer(200), Answer(400, detail="400 Bad Request"), Answer(503)


class BackendStub:
    """Answers each batch as the test wants."""

    def __init__(self, answer=lambda _: YES):
        """Call *answer*, which may be asynchronous, with the positions of a batch."""
        self.answer = answer
        self.posts = []
        self.keys = []
        self.taken = []
        self.changed = False

    async def post(self, request):
        """Return the answer for the batch, and record both."""
        identities = request.headers["X-Event-Ids"].split(",")
        positions = [int(identity.split("-")[1]) for identity in identities]
        self.posts.append(positions)
        self.keys.append(request.headers["Idempotency-Key"])
        answer = self.answer(positions)
        if inspect.iscoroutine(answer):
            answer = await answer
        if answer.status == 200:
            self.taken += positions
        return answer

    def credentials_changed(self):
        """Return True once after a change."""
        changed, self.changed = self.changed, False
        return changed


@dataclass
class ObserverStub:
    """Records its calls."""

    outcomes: list = field(default_factory=list)
    dead: dict = field(default_factory=dict)
    causes: list = field(default_factory=list)

    def attempted(self, attempt):
        """Record the outcome of *attempt*."""
        self.outcomes.append(attempt.outcome)

    def dead_lettered(self, batch, rejection):
        """Record why the events of *batch* are dead letters."""
        self.dead |= dict.fromkeys((e.position for e in batch.events), rejection)

    def switched(self, cause):
        """Record the cause of an open breaker, or None."""
        self.causes.append(cause)


@dataclass
class Story:
    """A spool, its delivery, and the stubs around them."""

    spool: Spool
    delivery: Delivery
    backend: BackendStub
    observer: ObserverStub

    async def send(self, *positions, instance=None):
        """Accept events, each of its own instance unless *instance* is given."""
        await self.spool.append(
            [an_event(n, instance=instance or 1000 + n) for n in positions]
        )

    async def ends(self):
        """Wait until no event waits."""
        await asyncio.wait_for(only(self.spool).empty.wait(), 30)

    async def drain(self):
        """Drain for less than a minute."""
        await asyncio.wait_for(self.delivery.drain(60), 30)


@asynccontextmanager
async def delivering(directory, answer, **plan):
    """Deliver from a spool in *directory* during the block, and yield the story."""
    backend, observer = BackendStub(answer), ObserverStub()
    plan = Plan(**({"slots": 2, "limits": ANY} | plan))
    async with a_spool(directory) as spool:
        delivery = Delivery(only(spool), backend, observer, plan)
        task = asyncio.create_task(delivery.run())
        yield Story(spool, delivery, backend, observer)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def make_waits_long(monkeypatch):
    """Make waits so long that no retry happens by itself."""
    monkeypatch.setattr(breaker, "FIRST_SECONDS", 1000.0)
    monkeypatch.setattr(breaker, "LONGEST_SECONDS", 1000.0)
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)


def unless(*bad, answer=NO):
    """Return a rule for a stub: *answer* to every batch with one of *bad*."""
    return lambda positions: YES if set(bad).isdisjoint(positions) else answer
