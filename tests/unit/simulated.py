"""
Delivery in simulated time: seconds pass only while every task waits.

The slots, the breaker and the order of events are the real ones; spool and backend live
in memory. So minutes with timeouts take no time, and no result depends on the machine.
"""

import asyncio
import random
import selectors
import time
from collections import deque
from functools import cache
from statistics import quantiles

from devkit.clock import Clock
from exporter.delivery import Answer, Delivery, Plan
from exporter.delivery.outcome import Failure
from exporter.spool import Batch, Entry
from exporter.spool.lanes import Lanes
from tests.unit.deliveries import YES, BackendStub, ObserverStub
from tests.unit.spools import ANY, an_event

HANG = Answer(failure=Failure.TIMEOUT)
TIMEOUT = 5.0
SETTLE_SECONDS = 0.001
KNOWN_AHEAD = 2048


class Selector(selectors.SelectSelector):
    """Advances *clock* instead of waiting."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def select(self, timeout=None):
        """Advance the clock by *timeout*; no file and no thread wakes this loop."""
        assert timeout is not None, "nothing will ever happen again"
        self._clock.seconds += max(timeout, 0)
        return []


class OutboxStub:
    """Waiting events in memory, in the order that the spool keeps."""

    def __init__(self):
        self._lanes = Lanes()
        self._events = {}
        self._later = deque()
        self._changed = asyncio.Event()
        self.empty = asyncio.Event()

    def accept(self, events):
        """Accept *events*; later ones are read when there is room."""
        self._events |= {event.position: event for event in events}
        self._later.extend(events)
        self.empty.clear()
        self._read()

    async def take(self, limits, *, newest=False):
        """Return a batch as soon as there is one."""
        while not self._lanes.ready:
            self._changed.clear()
            await self._changed.wait()
        take = self._lanes.take_newest if newest else self._lanes.take
        batch = Batch([Entry(n, self._events[n]) for n, _ in take(limits.events)])
        self._read()
        return batch

    async def load(self, sequences):
        """Return the events at *sequences*, which were taken."""
        await asyncio.sleep(SETTLE_SECONDS)
        return Batch([Entry(n, self._events[n]) for n in sequences])

    async def settle(self, batch, _=None):
        """Forget *batch*."""
        await asyncio.sleep(SETTLE_SECONDS)
        self._lanes.release(_places(batch.entries))
        for sequence, _ in batch.entries:
            del self._events[sequence]
        if not self._events:
            self.empty.set()
        self._changed.set()

    reject = settle

    def give_back(self, entries):
        """Let *entries* wait again."""
        self._lanes.give_back(_places(entries))
        self._changed.set()

    def _read(self):
        while self._later and self._lanes.ready < KNOWN_AHEAD:
            event = self._later.popleft()
            self._lanes.add(event.position, event.lane)
        self._changed.set()


class TimeStub:
    """Simulated time."""

    async def passes(self, seconds):
        """Wait until *seconds* have passed."""
        await asyncio.sleep(seconds)


class Simulation(TimeStub):
    """One run of a delivery with *slots*; *bad* returns the answer to a bad event."""

    def __init__(self, bad=lambda _: None, *, slots=4, latency=0.004):
        self._bad, self._latency = bad, latency
        self.outbox, self.observer = OutboxStub(), ObserverStub()
        self.backend = BackendStub(self.answer)
        plan = Plan(slots=slots, limits=ANY)
        self.delivery = Delivery(self.outbox, self.backend, self.observer, plan)
        self.sent = {}
        """When each position was accepted."""
        self.good = set()
        """The positions sent that aren't bad."""
        self.arrived = {}
        """When the backend took each position."""

    async def answer(self, positions):
        """Return the answer of the backend after its latency."""
        answer = next(filter(None, map(self._bad, positions)), YES)
        hangs = answer.failure is Failure.TIMEOUT
        await self.passes(TIMEOUT if hangs else self._latency)
        if answer is YES:
            self.arrived |= dict.fromkeys(positions, time.monotonic())
        return answer

    def send(self, positions, instance=lambda n: 1000 + n):
        """Accept events, each of its own instance by default."""
        self.sent |= dict.fromkeys(positions, time.monotonic())
        self.good |= {n for n in positions if not self._bad(n)}
        self.outbox.accept([an_event(n, instance=instance(n)) for n in positions])

    async def stream(self, per_second, seconds):
        """Send events at an even rate, ten times a second."""
        first, size = max(self.sent, default=0) + 1, per_second // 10
        for start in range(first, first + size * int(seconds * 10), size):
            self.send(range(start, start + size))
            await self.passes(0.1)

    async def until(self, condition, within):
        """Return the seconds until *condition* is true, at most *within*."""
        began = time.monotonic()
        for _ in range(round(within * 20)):
            if condition():
                break
            await self.passes(0.05)
        return time.monotonic() - began

    async def all_arrive(self, within):
        """Check that all good events arrive *within* so many seconds; return them."""
        seconds = await self.until(lambda: not self.missing, within)
        assert not self.missing
        return seconds

    @property
    def missing(self):
        """The good positions that weren't delivered."""
        return self.good - self.arrived.keys()

    def p99(self):
        """Return the 99th percentile of the latency of good events."""
        now = time.monotonic()
        took = [self.arrived.get(n, now) - self.sent[n] for n in self.good]
        return quantiles(took, n=100)[-1]


def simulate(monkeypatch, story, *args, **options):
    """Run *story*, a coroutine function of a `Simulation`, in simulated time."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    random.seed(1)

    async def run():
        simulation = Simulation(*args, **options)
        task = asyncio.create_task(simulation.delivery.run())
        await story(simulation)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def loop():
        return asyncio.SelectorEventLoop(Selector(clock))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def _places(entries):
    return [(sequence, event.lane) for sequence, event in entries]


def one_in(share, answer):
    """Return a rule: *answer* to a random share of all positions."""

    @cache
    def bad(position):
        chance = random.Random(position).random()  # noqa: S311 - no secret
        return answer if chance < share else None

    return bad


def among(bad, answer):
    """Return a rule: *answer* to the positions in *bad*."""
    return lambda position: answer if position in bad else None
