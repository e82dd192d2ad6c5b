"""
The spool under anything that can happen to it, compared with what was promised.

A crash is the state of the files at that instant: they are copied while the spool is
open, and opened from the copy.
"""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.spool import Batch, SpoolFailedError, Unreadable, Verdict, outbox
from tests.unit.spools import ANY, NOON, a_spool, an_event, failing, taken


class SpoolMachine(RuleBasedStateMachine):
    """Appends, repeats, resets, deliveries and crashes, in any order."""

    def __init__(self):
        """Open a new spool, with room for few events in memory."""
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small = {"AHEAD": 8, "PAGE": 3, "PAGE_BYTES": 40, "CACHE_BYTES": 60}
        for name, value in small.items():
            self.patch.setattr(outbox, name, value)
        self.root = Path(tempfile.mkdtemp())
        self.names = map(str, count())
        self.directory = self.root / next(self.names)
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.time = NOON
        self.position = 0
        self.accepted = []  # every event the spool said yes to, in that order
        self.waiting = []  # those of them to be delivered, in the order they come
        self.dead = []  # those that were given up
        self.unreadable = set()  # what was kept aside
        self.in_flight = []
        self.open()

    def open(self):
        """Open the spool as it lies there."""
        entering = self.stack.enter_async_context(a_spool(self.directory))
        self.spool = self.runner.run(entering)

    def close(self):
        """Close it in peace."""
        self.runner.run(self.stack.aclose())
        self.in_flight.clear()

    @rule(
        partition=st.integers(1, 2),
        instances=st.lists(st.integers(-1, 3), min_size=1, max_size=6),
    )
    def append(self, partition, instances):
        """Send new records of a partition."""
        events = []
        for instance in instances:
            self.position += 1
            self.time += 1
            event = an_event(
                self.position,
                partition=partition,
                timestamp=self.time,
                instance=partition * 10 + instance if instance > 0 else -1,
            )
            events.append(event)
        result = self.runner.run(self.spool.append(events))
        assert [entry.event for entry in result.entries] == events
        self.accepted += events
        self.waiting += events

    @rule(number=st.integers(1, 9))
    def garble(self, number):
        """Send a record that can't be read, perhaps once more."""
        record = Unreadable("no JSON", f"1-{number}", b"{" * number)
        accepted = self.runner.run(self.spool.append([], [record]))
        assert accepted.kept_aside == (record not in self.unreadable)
        self.unreadable.add(record)

    @rule(data=st.data())
    def repeat(self, data):
        """Send what was sent before, from anywhere on."""
        start = data.draw(st.integers(0, len(self.accepted)))
        events = self.accepted[start:]
        result = self.runner.run(self.spool.append(events))
        assert (result.entries, result.repeats) == ([], len(events)) or not events

    @rule(count=st.integers(1, 4))
    def fail(self, count):
        """Let the disk fail at the last moment of a transaction."""
        positions = range(self.position + 1, self.position + 1 + count)
        refused = [an_event(n, timestamp=self.time + n) for n in positions]
        self.runner.run(self.refuse(refused))

    async def refuse(self, events):
        """Try to append *events* in vain."""
        async with failing(self.spool):
            with pytest.raises(SpoolFailedError):
                await self.spool.append(events)

    @rule(minutes=st.integers(-10, 10))
    def reset(self, minutes):
        """Purge the engine: positions start again, whatever its clock says."""
        self.position = 0
        # Half a millisecond is no engine time: no identity comes again by chance.
        self.time = self.time + minutes * 60_000 + 500

    @rule(limit=st.integers(1, 5), size=st.integers(1, 100))
    def take(self, limit, size):
        """Take a batch for a free slot."""
        if self.ready():
            limits = replace(ANY, events=limit, bytes=size)
            ready = self.ready()
            batch = self.runner.run(asyncio.wait_for(self.spool.outbox.take(limits), 5))
            assert batch.events == ready[: len(batch.events)]
            assert 1 <= len(batch.events) <= limit
            body = b",".join(event.body for event in batch.events)
            assert len(body) <= size or len(batch.events) == 1
            self.in_flight.append(batch)

    @rule(number=st.integers(0, 9))
    def settle(self, number):
        """Settle a batch that was delivered."""
        if self.in_flight:
            batch = self.in_flight.pop(number % len(self.in_flight))
            self.runner.run(self.spool.outbox.settle(batch))
            self.leave(batch)

    @rule(number=st.integers(0, 9))
    def bury(self, number):
        """Give up a batch."""
        if self.in_flight:
            batch = self.in_flight.pop(number % len(self.in_flight))
            self.runner.run(self.spool.outbox.bury(batch, Verdict("refused")))
            self.leave(batch)
            self.dead += batch.events

    @rule(number=st.integers(0, 9), kept=st.integers(0, 4))
    def give_back(self, number, kept):
        """Let all but the first events of a batch wait again."""
        if self.in_flight:
            batch = self.in_flight.pop(number % len(self.in_flight))
            self.spool.outbox.give_back(batch.entries[kept:])
            if kept:
                self.in_flight.append(Batch(batch.entries[:kept]))

    @rule()
    def revive(self):
        """Send all dead letters again."""
        assert self.runner.run(self.spool.revive()).count == len(self.dead)
        self.waiting += self.dead
        self.dead.clear()

    def leave(self, batch):
        """Let the events of *batch* wait no more."""
        self.waiting = [event for event in self.waiting if event not in batch.events]

    @rule()
    def restart(self):
        """Stop the service and start it."""
        self.close()
        self.open()

    @rule()
    def crash(self):
        """Lose power."""
        copy = self.root / next(self.names)
        shutil.copytree(self.directory, copy)
        self.close()
        self.directory = copy
        self.open()

    def ready(self):
        """Return what could be taken now, by the plainest reckoning."""
        occupied = {event.lane for batch in self.in_flight for event in batch.events}
        return [event for event in self.waiting if event.lane not in occupied]

    @invariant()
    def counts_what_it_holds(self):
        """Compare the counters with what is held, to the byte."""
        for held, events in (
            (self.spool.waiting, self.waiting),
            (self.spool.dead, [*self.dead, *self.unreadable]),
        ):
            assert held == (len(events), sum(len(event.body) for event in events))

    def teardown(self):
        """Nothing is lost: what wasn't settled comes, once and in order."""
        self.close()
        self.open()
        batches = self.runner.run(taken(self.spool))
        assert list(chain(*batches)) == [event.position for event in self.waiting]
        self.close()
        self.runner.close()
        shutil.rmtree(self.root)
        self.patch.undo()


SpoolMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_spool = SpoolMachine.TestCase
