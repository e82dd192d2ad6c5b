"""
A spool for two backends under random operations, compared with a model.

A crash is simulated with a copy of the files, which is made while the spool is open.
"""

import asyncio
import shutil
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.spool import Batch, Rejection, SpoolFailedError, Unreadable, disk, outbox
from tests.unit.spools import (
    ANY,
    MEMORY,
    NOON,
    a_spool,
    an_event,
    failing,
    for_each,
    taken,
)

NAMES = ("audit", "teams")
SOME = st.sampled_from([NAMES, NAMES[:1], NAMES[1:]])
TENANTS = ("default", "east")


class SpoolMachine(RuleBasedStateMachine):
    """Appends, repeats, resets, deliveries and crashes in any order."""

    def __init__(self):
        """Open a new spool that keeps few events in memory."""
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small = {"AHEAD": 8, "PAGE": 3, "PAGE_BYTES": 40, "CACHE_BYTES": 60}
        for name, value in small.items():
            self.patch.setattr(outbox, name, value)
        self.patch.setattr(disk, "RESERVE_BYTES", 0)
        self.root = Path(tempfile.mkdtemp(dir=MEMORY))
        self.names = map(str, count())
        self.directory = self.root / next(self.names)
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.time = NOON
        self.position = 0
        self.accepted = []  # all accepted events, in order
        # The waiting events of each backend, in order.
        self.waiting = {name: [] for name in NAMES}
        self.dead = []  # rejected events, each for one backend
        self.unreadable = set()  # unreadable records
        self.in_flight = []
        self.backends = NAMES
        self.open()

    def open(self):
        """Open the spool."""
        entering = a_spool(self.directory, *self.backends)
        self.spool = self.runner.run(self.stack.enter_async_context(entering))

    def close(self):
        """Close the spool."""
        self.runner.run(self.stack.aclose())
        self.in_flight.clear()

    @rule(
        partition=st.integers(1, 2),
        instances=st.lists(st.integers(-1, 3), min_size=1, max_size=6),
        tenants=st.sampled_from([TENANTS, TENANTS[:1], TENANTS[1:]]),
        data=st.data(),
    )
    def append(self, partition, instances, tenants, data):
        """Append new events of a partition, for one tenant or for two."""
        events = []
        for instance in instances:
            self.position += 1
            self.time += 1
            event = an_event(
                self.position,
                partition=partition,
                timestamp=self.time,
                instance=partition * 10 + instance if instance > 0 else -1,
                backends=data.draw(SOME),
            )
            events += [event._replace(tenant=each) for each in tenants]
        events.sort(key=lambda event: event.tenant)  # as they are accepted
        result = self.runner.run(self.spool.append(events))
        for name in NAMES:
            own = [event for event in for_each(events) if event.backends == (name,)]
            assert own == [e for _, e in result.entries if e.backends == (name,)]
            self.waiting[name] += own
        self.accepted += events

    @rule(number=st.integers(1, 9))
    def garble(self, number):
        """Append an unreadable record, which may be a repeat."""
        record = Unreadable("no JSON", f"1-{number}", b"{" * number)
        accepted = self.runner.run(self.spool.append([], [record]))
        assert accepted.dead_letters == (record not in self.unreadable)
        self.unreadable.add(record)

    @rule(data=st.data())
    def repeat(self, data):
        """Append accepted events again."""
        start = data.draw(st.integers(0, len(self.accepted)))
        events = self.accepted[start:]
        result = self.runner.run(self.spool.append(events))
        assert (result.entries, result.repeats) == ([], len(events)) or not events

    @rule(count=st.integers(1, 4))
    def fail(self, count):
        """Let the disk fail at the end of a transaction."""
        positions = range(self.position + 1, self.position + 1 + count)
        refused = [an_event(n, timestamp=self.time + n) for n in positions]
        self.runner.run(self.refuse(refused))

    async def refuse(self, events):
        """Append *events*, which fails."""
        async with failing(self.spool):
            with pytest.raises(SpoolFailedError):
                await self.spool.append(events)

    @rule(minutes=st.integers(-10, 10))
    def reset(self, minutes):
        """Start positions again, with the clock before or after."""
        self.position = 0
        # Half a millisecond makes sure that no identity is used twice.
        self.time = self.time + minutes * 60_000 + 500

    @rule(
        name=st.sampled_from(NAMES), limit=st.integers(1, 5), size=st.integers(1, 100)
    )
    def take(self, name, limit, size):
        """Take a batch."""
        if name in self.backends and (ready := self.ready(name)):
            limits = replace(ANY, events=limit, bytes=size)
            taking = self.spool.outboxes[name].take(limits)
            batch = self.runner.run(asyncio.wait_for(taking, 30))
            ready = [event for event in ready if event.tenant == ready[0].tenant]
            assert batch.events == ready[: len(batch.events)]
            assert 1 <= len(batch.events) <= limit
            body = b",".join(event.body for event in batch.events)
            assert len(body) <= size or len(batch.events) == 1
            self.in_flight.append((name, batch))

    @rule(number=st.integers(0, 9))
    def settle(self, number):
        """Settle a batch."""
        if self.in_flight:
            name, batch = self.in_flight.pop(number % len(self.in_flight))
            self.runner.run(self.spool.outboxes[name].settle(batch))
            self.leave(name, batch)

    @rule(number=st.integers(0, 9))
    def reject(self, number):
        """Turn a batch into dead letters."""
        if self.in_flight:
            name, batch = self.in_flight.pop(number % len(self.in_flight))
            rejection = Rejection("refused")
            self.runner.run(self.spool.outboxes[name].reject(batch, rejection))
            self.leave(name, batch)
            self.dead += batch.events

    @rule(number=st.integers(0, 9), kept=st.integers(0, 4))
    def give_back(self, number, kept):
        """Give back all but the first events of a batch."""
        if self.in_flight:
            name, batch = self.in_flight.pop(number % len(self.in_flight))
            self.spool.outboxes[name].give_back(batch.entries[kept:])
            if kept:
                self.in_flight.append((name, Batch(batch.entries[:kept])))

    @rule()
    def retry(self):
        """Retry all dead letters."""
        handled = self.runner.run(self.spool.retry())
        able = [event for event in self.dead if event.backends[0] in self.backends]
        self.dead = [event for event in self.dead if event not in able]
        assert handled.count == len(able)
        assert handled.of_no_backend == len(self.dead)
        assert handled.never_events == len(self.unreadable)
        for event in able:
            self.waiting[event.backends[0]].append(event)

    def leave(self, name, batch):
        """Remove *batch* from the model."""
        for event in batch.events:
            self.waiting[name].remove(event)

    @rule(backends=SOME)
    def restart(self, backends):
        """Restart with any of the backends."""
        self.close()
        self.backends = backends
        self.open()

    @rule()
    def drop_backend(self):
        """Drop a backend that isn't configured."""
        for old in {*NAMES} - {*self.backends}:
            dead = [event for event in self.dead if event.backends == (old,)]
            count = self.runner.run(self.spool.discard_backend(old))
            assert count == len(self.waiting[old]) + len(dead)
            self.waiting[old].clear()
            self.dead = [event for event in self.dead if event not in dead]

    @rule()
    def crash(self):
        """Continue from a copy of the files, as after a loss of power."""
        copy = self.root / next(self.names)
        shutil.copytree(self.directory, copy)
        self.close()
        self.directory = copy
        self.open()

    def ready(self, name):
        """Return the events that can be taken now, computed in the simplest way."""
        in_flight = [batch for taker, batch in self.in_flight if taker == name]
        occupied = {event.lane for batch in in_flight for event in batch.events}
        return [event for event in self.waiting[name] if event.lane not in occupied]

    @invariant()
    def counts_what_it_holds(self):
        """Compare the counters with the model."""
        spool, dead = self.spool, defaultdict(list)
        for event in self.dead:
            dead[event.backends[0]].append(event)
        for held, events in (
            (spool.waiting, list(chain(*self.waiting.values()))),
            (spool.dead, [*self.dead, *self.unreadable]),
            (spool.dead_of(None), self.unreadable),
            *((spool.waiting_for(name), self.waiting[name]) for name in NAMES),
            *((spool.dead_of(name), dead[name]) for name in NAMES),
        ):
            assert held == (len(events), sum(len(event.body) for event in events))
        assert spool.left_behind == {
            name: spool.waiting_for(name)
            for name in NAMES
            if name not in self.backends and (self.waiting[name] or dead[name])
        }

    def teardown(self):
        """Check that all events that were not settled are taken once and in order."""
        self.close()
        self.backends = NAMES
        self.open()
        for name, waiting in self.waiting.items():
            for batch in self.runner.run(taken(self.spool, backend=name)):
                first = waiting[0].tenant
                own = [event for event in waiting if event.tenant == first]
                assert batch == [event.position for event in own[: len(batch)]]
                for event in own[: len(batch)]:
                    waiting.remove(event)
            assert not waiting
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
test_spool = pytest.mark.slow(SpoolMachine.TestCase)
