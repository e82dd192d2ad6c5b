"""The memory of all requests is limited, and one request always makes progress."""

import asyncio
from contextlib import ExitStack

import pytest

from exporter.ingest import budget
from exporter.ingest.budget import SMALL, Budget
from exporter.ingest.refusals import RefusedError

LARGE = 4 * SMALL


@pytest.fixture
def shared():
    """Return a budget for one large request, with room for two small ones."""
    return Budget(LARGE, 2 * SMALL)


@pytest.fixture
def share(shared):
    """Return a function that returns a new share and a function to free it."""
    with ExitStack() as stack:

        def begin():
            own = stack.enter_context(ExitStack())
            return own.enter_context(shared.share()), own.close

        yield begin


async def waiting(hold):
    """Return the task of *hold*, after checking that it waits."""
    task = asyncio.create_task(hold)
    await waits(task)
    return task


async def waits(task):
    """Check that *task* isn't done after some iterations of the event loop."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()


async def test_the_oldest_large_one_never_waits(shared, share):
    """The oldest large request may exceed the budget; others wait in order."""
    (first, release_first), (second, release_second), (third, _) = (
        share(),
        share(),
        share(),
    )
    await shared.hold(first, LARGE)

    tasks = [await waiting(shared.hold(each, LARGE)) for each in (second, third)]
    await shared.hold(first, 3 * LARGE)
    release_first()
    await tasks[0]
    await waits(tasks[1])
    release_second()
    await tasks[1]

    assert shared._held == LARGE


async def test_small_ones_have_room_of_their_own(shared, share):
    """Large requests never use the reserved room, and it's limited too."""
    (large, _), (small, release), (other, _), (last, _) = (share() for _ in range(4))
    await shared.hold(large, LARGE)

    await shared.hold(small, SMALL)
    await shared.hold(other, SMALL)
    task = await waiting(shared.hold(last, SMALL))
    release()
    await task


async def test_small_ones_beside_a_huge_one(shared, share):
    """The oldest large request doesn't use the reserved room either."""
    (huge, _), (small, _), (other, _), (last, _) = (share() for _ in range(4))
    await shared.hold(huge, 10 * LARGE)

    await asyncio.wait_for(shared.hold(small, SMALL), timeout=5)
    await asyncio.wait_for(shared.hold(other, SMALL), timeout=5)
    await waiting(shared.hold(last, SMALL))


async def test_what_waits_too_long(shared, share, monkeypatch):
    """Waiting is limited in time, and a request that gave up holds nothing."""
    monkeypatch.setattr(budget, "WAIT_SECONDS", 0.01)
    (first, _), (second, release) = share(), share()
    await shared.hold(first, LARGE)

    with pytest.raises(RefusedError, match=r"bulk\.memoryLimit"):
        await shared.hold(second, LARGE)
    release()

    await shared.hold(first, 2 * LARGE)
    assert shared._held == 2 * LARGE


async def test_too_many_wait(shared, share, monkeypatch):
    """The number of waiting requests is limited."""
    monkeypatch.setattr(budget, "MOST_WAITING", 1)
    (first, release), (second, _), (third, _) = share(), share(), share()
    await shared.hold(first, LARGE)
    task = await waiting(shared.hold(second, LARGE))

    with pytest.raises(RefusedError):
        await shared.hold(third, LARGE)

    release()
    await task


async def test_who_gives_up_waiting(shared, share):
    """A cancelled request holds nothing."""
    (first, release_first), (second, release_second), (third, _) = (
        share(),
        share(),
        share(),
    )
    await shared.hold(first, LARGE)
    task = await waiting(shared.hold(second, LARGE))

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    release_second()
    release_first()

    await shared.hold(third, LARGE)
    assert (shared._held, shared._waiting) == (LARGE, 0)
