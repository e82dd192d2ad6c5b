"""A full spool refuses new events, or discards the oldest ones."""

import asyncio
from dataclasses import replace
from itertools import chain

import pytest

from exporter.spool import SpoolFailedError, SpoolFullError, Unreadable, outbox
from exporter.spool import spool as spool_module
from tests.unit.spools import ANY, a_spool, an_event, failing, only, taken


async def test_a_full_spool_refuses_and_says_why(tmp_path):
    """An append above the limit keeps nothing, and its error has the sizes."""
    async with a_spool(tmp_path, limit=100) as spool:
        await spool.append([an_event(1, body=b"x" * 60)])

        with pytest.raises(SpoolFullError, match=r"60 of at most 100 bytes.*50 more"):
            await spool.append([an_event(2, body=b"x" * 50)])

        assert spool.full
        assert await taken(spool) == [[1]]
        await spool.append([an_event(2, body=b"x" * 50)])
        assert await taken(spool) == [[2]]
        await spool.append([an_event(3, body=b"x" * 60)])
        assert not spool.full


async def test_discards_the_oldest(tmp_path):
    """With `on_discard`, old events make room, and each discarded batch is reported."""
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n) for n in range(1, 11)])
        in_flight = await only(spool).take(replace(ANY, events=1))
        await spool.append([ten_bytes(11), ten_bytes(12)])
        assert [e.position for batch in lost for e in batch.events] == [2, 3]

        await spool.append([an_event(13, body=b"x" * 35, instance=13)])
        assert [e.position for batch in lost for e in batch.events] == [*range(2, 8)]

        await only(spool).settle(in_flight)
        assert list(chain(*await taken(spool))) == [8, 9, 10, 11, 12, 13]


def ten_bytes(number, **changes):
    """Return an event of ten bytes, and of its own instance."""
    return an_event(number, **{"body": b"x" * 10, "instance": number} | changes)


async def test_nothing_to_discard(tmp_path):
    """Dead letters and events in flight are not discarded."""
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([], [Unreadable("no JSON", "1-1", b"{" * 50)])
        await spool.append([an_event(1, body=b"x" * 50)])
        in_flight = await only(spool).take(ANY)

        with pytest.raises(SpoolFullError):
            await spool.append([an_event(2)])

        await only(spool).settle(in_flight)
    assert lost == []


async def test_a_large_request_and_dead_letters(tmp_path):
    """A spool with only dead letters accepts a request above the limit."""
    async with a_spool(tmp_path, limit=100) as spool:
        await spool.append([], [Unreadable("no JSON", "1-1", b"{" * 10)])
        await spool.append([an_event(1, body=b"x" * 500)])
        assert await taken(spool) == [[1]]

        await spool.append([], [Unreadable("no JSON", "1-2", b"{" * 90)])
        with pytest.raises(SpoolFullError, match="100 in dead letters"):
            await spool.append([an_event(2)])


async def test_discards_events_outside_of_memory(tmp_path, monkeypatch):
    """Events that are not in memory are discarded too."""
    monkeypatch.setattr(outbox, "AHEAD", 8)
    monkeypatch.setattr(outbox, "PAGE", 3)
    lost = []
    async with a_spool(tmp_path, limit=200, on_discard=lost.append) as spool:
        for number in range(1, 101):
            await spool.append([ten_bytes(number)])

        assert [e.position for b in lost for e in b.events] == list(range(1, 81))
        assert list(chain(*await taken(spool))) == list(range(81, 101))


async def test_a_request_discards_a_bounded_number(tmp_path, monkeypatch):
    """One request discards a limited number of events."""
    monkeypatch.setattr(spool_module, "DISCARDS", 2)
    monkeypatch.setattr(outbox, "PAGE", 5)
    async with a_spool(tmp_path, limit=1000) as spool:
        await spool.append([ten_bytes(n) for n in range(1, 101)])
    lost = []
    async with a_spool(tmp_path, limit=750, on_discard=lost.append) as spool:
        for requests in (1, 2):
            with pytest.raises(SpoolFullError):
                await spool.append([ten_bytes(101)])
            assert sum(len(batch.entries) for batch in lost) == requests * 10

        await spool.append([ten_bytes(101)])

        assert sum(len(batch.entries) for batch in lost) == 26
        assert list(chain(*await taken(spool))) == list(range(27, 102))


async def test_discards_events_of_a_lane_in_flight(tmp_path):
    """Events that wait for an event in flight can be discarded."""
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n, instance=7) for n in range(1, 11)])
        first = await only(spool).take(replace(ANY, events=2))
        for number in range(11, 21):
            await spool.append([ten_bytes(number, instance=7)])
        only(spool).give_back(first.entries)

        assert [e.position for b in lost for e in b.events] == list(range(3, 13))
        assert list(chain(*await taken(spool))) == [1, 2, *range(13, 21)]


async def test_many_at_once_make_room(tmp_path, monkeypatch):
    """Concurrent requests make room one after another, and none is refused."""
    monkeypatch.setattr(outbox, "CACHE_BYTES", 0)  # the file is asked for every event
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n) for n in range(1, 11)])
        await asyncio.gather(*(spool.append([ten_bytes(n)]) for n in range(11, 31)))

        assert len([e for b in lost for e in b.events]) == 20
        assert len(list(chain(*await taken(spool)))) == 10


async def test_at_once_no_more_is_discarded(tmp_path):
    """A request discards nothing if another one has just made enough room for both."""
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([an_event(n, body=b"x" * 50, instance=n) for n in (1, 2)])
        await asyncio.gather(*(spool.append([ten_bytes(n)]) for n in range(3, 8)))

        assert [e.position for batch in lost for e in batch.events] == [1]
        assert sorted(chain(*await taken(spool))) == list(range(2, 8))


async def test_a_hopeless_request_discards_nothing(tmp_path):
    """A request that can never fit discards nothing."""
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(1)])

        with pytest.raises(SpoolFullError):
            await spool.append([an_event(2, body=b"x" * 200)])

        assert lost == []
        assert await taken(spool) == [[1]]


async def test_a_failing_disk_discards_nothing(tmp_path):
    """If discarding fails, the events keep their places and the request fails."""
    lost = []
    async with a_spool(tmp_path, limit=100, on_discard=lost.append) as spool:
        await spool.append([ten_bytes(n) for n in range(1, 11)])
        async with failing(spool):
            with pytest.raises(SpoolFailedError):
                await asyncio.wait_for(spool.append([ten_bytes(11)]), 30)
        assert lost == []

        assert list(chain(*await taken(spool))) == list(range(1, 11))
