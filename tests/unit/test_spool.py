"""The spool with a real file, as its callers use it."""

import asyncio
import threading
from dataclasses import replace
from itertools import chain

import pytest

from devkit.waiting import eventually
from exporter.spool import (
    Batch,
    Unreadable,
    outbox,
    writer,
)
from tests.unit.spools import ANY, a_spool, an_event, only, taken, traced


async def test_taken_once(tmp_path):
    """Events are taken in order, and neither settled events nor repeats come again."""
    events = [an_event(1), an_event(2)]
    async with a_spool(tmp_path) as spool:
        await spool.append(events)
        assert await taken(spool) == [[1, 2]]
        again = await spool.append([*events, an_event(3)])
        assert (again.repeats, len(again.entries)) == (2, 1)
        await only(spool).take(ANY)

    async with a_spool(tmp_path) as spool:
        assert (await spool.append(events)).repeats == 2
        assert await taken(spool) == [[3]]
        assert spool.waiting == (0, 0)


@pytest.mark.parametrize(
    "limits, sizes",
    [
        (replace(ANY, events=4), [4, 4, 2]),
        (replace(ANY, bytes=3 * 16 + 2), [3, 3, 3, 1]),
        (replace(ANY, bytes=3 * 16 + 1), [2] * 5),
        (replace(ANY, identities=2 * len(an_event(1).identity) + 1), [2] * 5),
        (replace(ANY, identities=2 * len(an_event(1).identity)), [1] * 10),
        (replace(ANY, identities=40, prefix=10), [1] * 10),
        (replace(ANY, bytes=1), [1] * 10),
    ],
)
async def test_a_batch_keeps_its_limits(tmp_path, limits, sizes):
    """A batch keeps its limits on events, bytes and identities, except one event."""
    async with a_spool(tmp_path) as spool:
        body = b"x" * 16
        events = [
            an_event(n, timestamp=1_795_435_200_001, body=body) for n in range(10)
        ]
        await spool.append(events)

        batches = await taken(spool, limits)

        assert [len(batch) for batch in batches] == sizes
        assert list(chain(*batches)) == list(range(10))


async def test_take_waits_for_an_append(tmp_path):
    """A waiting `take` returns as soon as an event is accepted."""
    async with a_spool(tmp_path) as spool:
        waiting = asyncio.create_task(only(spool).take(ANY))
        await spool.append([an_event(1)])

        batch = await asyncio.wait_for(waiting, 30)

        assert str(batch) == "1-1..1-1"


@pytest.mark.parametrize("hurried", [False, True])
async def test_a_lingering_batch(tmp_path, hurried):
    """A lingering batch is returned when it's full, or after `hurry`."""
    patient = replace(ANY, events=2, linger_seconds=60)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        waiting = asyncio.create_task(only(spool).take(patient))
        await spool.check_writable()
        if hurried:
            only(spool).hurry()
        else:
            await spool.append([an_event(2)])

        batch = await asyncio.wait_for(waiting, 30)

        assert len(batch.events) == 2 - hurried


async def test_a_batch_waits_no_longer_than_its_linger(tmp_path):
    """A lingering batch that isn't full is returned after the linger time."""
    hasty = replace(ANY, events=2, linger_seconds=0.01)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        batch = await asyncio.wait_for(only(spool).take(hasty), 30)
        assert len(batch.events) == 1


async def test_large_events_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    """Only some events of a large backlog are in memory."""
    monkeypatch.setattr(outbox, "CACHE_BYTES", 0)
    monkeypatch.setattr(outbox, "PAGE_BYTES", 3000)
    read = []

    def sized(method):
        def call(*args):
            result = method(*args)
            entries = result[0] if isinstance(result, tuple) else result
            read.append(sum(len(entry.event.body) for entry in entries))
            return result

        return call

    async with a_spool(tmp_path) as spool:
        large = [an_event(n, body=b"x" * 1000, instance=n) for n in range(1, 101)]
        await spool.append(large)
    async with a_spool(tmp_path) as spool:
        waiting = spool._store.waiting
        for name in ("page", "at"):
            monkeypatch.setattr(waiting, name, sized(getattr(waiting, name)))
        batches = await taken(spool, replace(ANY, bytes=2500))

    assert batches == [[n, n + 1] for n in range(1, 101, 2)]
    assert max(read) <= 3000


async def test_an_overfull_batch_does_not_linger(tmp_path):
    """A batch doesn't linger if more events wait than fit into it."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(n, instance=n) for n in range(1, 8)])
        lingering = replace(ANY, bytes=40, linger_seconds=0.01)
        first = await only(spool).take(lingering)

        patient = replace(lingering, linger_seconds=1000)
        second = await asyncio.wait_for(only(spool).take(patient), 30)

        assert [e.position for e in first.events + second.events] == [1, 2, 3, 4]


async def test_a_huge_instance(tmp_path):
    """An event is found after 10,000 events of an instance that is in flight."""
    async with a_spool(tmp_path, limit=1 << 30) as spool:
        await spool.append([an_event(n, instance=7) for n in range(10_000)])
        await spool.append([an_event(n, instance=n) for n in range(10_000, 10_100)])

        first = await only(spool).take(ANY)
        second = await asyncio.wait_for(only(spool).take(ANY), 30)
        third = await asyncio.wait_for(only(spool).take(ANY), 30)

        assert {event.instance for event in first.events} == {7}
        others = [event.position for event in (*second.events, *third.events)]
        assert others == list(range(10_000, 10_000 + len(others)))
        await only(spool).settle(first)
        fourth = await only(spool).take(ANY)
        assert [event.position for event in fourth.events] == list(range(50, 100))


async def test_unreadable_records_are_kept_once(tmp_path):
    """An unreadable record becomes one dead letter, and its repeat none."""
    garbage = Unreadable("it isn't JSON", "1-7", b"{garbage")
    other = Unreadable("it isn't JSON", "1-8", b"{garbage")
    async with a_spool(tmp_path) as spool:
        assert (await spool.append([], [garbage])).dead_letters == 1
        assert (await spool.append([], [garbage, other])).dead_letters == 1
        assert spool.dead == (2, 16)

    async with a_spool(tmp_path) as spool:
        assert spool.dead == (2, 16)
        assert (await spool.append([], [garbage])).dead_letters == 0


async def test_waiters_share_a_commit(tmp_path):
    """Events that arrive during a commit share the next one."""
    async with a_spool(tmp_path) as spool:
        async with traced(spool) as statements:
            appends = [spool.append([an_event(n)]) for n in range(1, 201)]
            await asyncio.gather(*appends)

        assert 1 <= statements.count("COMMIT") <= 5
        assert list(chain(*await taken(spool))) == list(range(1, 201))


async def test_a_settle_waits_for_the_next_commit(tmp_path, monkeypatch):
    """While nothing else waits, a settle costs no commit of its own."""
    monkeypatch.setattr(writer, "IDLE_SECONDS", 60)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        batch = await only(spool).take(ANY)
        async with traced(spool) as statements:
            settle = asyncio.create_task(only(spool).settle(batch))
            await eventually(spool._writer._queue.empty)
            await spool.append([an_event(2)])

        assert settle.done()
        assert statements.count("COMMIT") == 1
        only(spool).hurry()  # now it doesn't wait
        await only(spool).settle(await only(spool).take(ANY))


async def test_only_settled_events_are_deleted(tmp_path):
    """A batch deletes its own events, in whatever order, and none between them."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(n) for n in range(1, 6)])
        batch = await only(spool).take(ANY)
        first, second, third, fourth, fifth = batch.entries

        await only(spool).settle(Batch([first, fourth, third]))

        only(spool).give_back([second, fifth])
        assert await taken(spool) == [[2, 5]]


async def test_appends_end_before_a_batch_is_taken(tmp_path):
    """The caller of `append` continues first: answers don't wait for delivery."""
    order = []

    async def take():
        await only(spool).take(ANY)
        order.append("taken")

    async def append(position):
        await spool.append([an_event(position)])
        order.append(position)

    async with a_spool(tmp_path) as spool:
        gate = threading.Event()  # while the writer waits for it, appends gather
        tasks = [spool._writer.do(gate.wait), take(), *map(append, (1, 2, 3))]
        everything = asyncio.gather(*tasks)
        await asyncio.sleep(0)  # all of them have begun now
        gate.set()
        await everything

    assert order == [1, 2, 3, "taken"]
