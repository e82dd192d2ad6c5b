"""Memory for requests: there is a limit, and somebody always gets on."""

import asyncio

import pytest

from devkit.waiting import eventually
from exporter.ingest import budget
from exporter.ingest.budget import SMALL, Budget, BusyError

LARGE = 4 * SMALL


async def waits(hold):
    """Return the task of *hold*, which must wait."""
    task = asyncio.create_task(hold)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_the_oldest_large_one_never_waits():
    """One may hold more than there is; the others wait for it, in their order."""
    shared = Budget(LARGE, 0)
    first, second, third = shared.share(), shared.share(), shared.share()
    await first.hold(LARGE)

    waiting = [await waits(share.hold(LARGE)) for share in (second, third)]
    await first.hold(3 * LARGE)
    shared.release(first)
    await waiting[0]
    await waits_still(waiting[1])
    shared.release(second)
    await waiting[1]

    shared.release(third)
    assert shared._held == 0


async def waits_still(task):
    """Check that *task* isn't done after some turns."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()


async def test_small_ones_have_room_of_their_own():
    """Large ones never fill the room of small ones, who have no more than that."""
    shared = Budget(LARGE, 2 * SMALL)
    large, small, smaller, last = (shared.share() for _ in range(4))
    await large.hold(LARGE)

    await small.hold(SMALL)
    await smaller.hold(SMALL)
    waiting = await waits(last.hold(SMALL))
    shared.release(small)
    await waiting


async def test_what_waits_too_long(monkeypatch):
    """Nobody waits for ever, and what waited in vain holds nothing."""
    monkeypatch.setattr(budget, "WAIT_SECONDS", 0.01)
    shared = Budget(LARGE, 0)
    first, second = shared.share(), shared.share()
    await first.hold(LARGE)

    with pytest.raises(BusyError, match=r"bulk\.memoryLimit"), second:
        await second.hold(LARGE)

    assert second.size == 0
    await first.hold(2 * LARGE)


async def test_too_many_wait(monkeypatch):
    """No more wait than there is memory for the buffers of their connections."""
    monkeypatch.setattr(budget, "MOST_WAITING", 1)
    shared = Budget(LARGE, 0)
    first, second, third = shared.share(), shared.share(), shared.share()
    await first.hold(LARGE)
    waiting = await waits(second.hold(LARGE))

    with pytest.raises(BusyError):
        await third.hold(LARGE)

    shared.release(first)
    await waiting


async def test_who_gives_up_waiting():
    """A client that goes away while its request waits leaves nothing behind."""
    shared = Budget(LARGE, 0)
    first, second, third = shared.share(), shared.share(), shared.share()
    await first.hold(LARGE)
    waiting = await waits(second.hold(LARGE))

    waiting.cancel()
    await eventually(waiting.cancelled)
    shared.release(second)
    shared.release(first)

    await third.hold(LARGE)
    assert shared._held == LARGE
