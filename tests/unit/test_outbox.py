"""The outbox keeps a limited number of events in memory."""

from dataclasses import replace

import pytest

from exporter.spool import outbox
from tests.unit.spools import ANY, a_spool, an_event, only

AT_ONCE = replace(ANY, events=10)


@pytest.fixture
def few(monkeypatch):
    """Let memory hold a hundred events, and read ten at a time."""
    monkeypatch.setattr(outbox, "MOST_KNOWN", 100)
    monkeypatch.setattr(outbox, "AHEAD", 20)
    monkeypatch.setattr(outbox, "PAGE", 10)


async def all_taken(spool):
    """Append 300 events in separate lanes, and take until none is ready."""
    for first in range(1, 301, 10):
        bulk = range(first, first + 10)
        await spool.append([an_event(n, instance=n) for n in bulk])
    batches = []
    while not only(spool).exhausted:
        batches.append(await only(spool).take(AT_ONCE))
    return batches


def positions(*batches):
    """Return the positions of the events in *batches*."""
    return [event.position for batch in batches for event in batch.events]


async def test_what_is_taken_can_be_read_again(tmp_path):
    """A taken event can be loaded from the file again."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1), an_event(2)])
        batch = await only(spool).take(ANY)

        again = await only(spool).load([batch.entries[1].sequence])

        assert again.entries == [batch.entries[1]]
        await only(spool).settle(batch)
        assert only(spool).empty.is_set()


@pytest.mark.usefixtures("few")
async def test_memory_holds_only_so_many_places(tmp_path):
    """With many taken events, reading stops; settling makes it continue."""
    async with a_spool(tmp_path) as spool:
        batches = await all_taken(spool)
        assert positions(*batches) == list(range(1, 101))

        await only(spool).settle(batches[3])
        batch = await only(spool).take(AT_ONCE)

        assert positions(batch) == list(range(101, 111))
        assert only(spool).exhausted


@pytest.mark.usefixtures("few")
async def test_old_events_are_lost_also_when_memory_is_full(tmp_path):
    """`discard` finds events that are not in memory."""
    async with a_spool(tmp_path) as spool:
        await all_taken(spool)

        lost = [await only(spool).discard(1) for _ in range(50)]

        assert positions(*lost) == list(range(101, 151))
        assert only(spool)._lanes.known < 120
