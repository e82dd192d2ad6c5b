"""Dead letters: their reasons, retries and drops."""

import asyncio
from contextlib import closing
from functools import partial
from itertools import chain

import pytest

from exporter.spool import (
    Batch,
    Choice,
    Rejection,
    Unreadable,
    Window,
)
from exporter.spool import spool as module
from exporter.spool.database import create
from tests.unit.spools import ANY, a_spool, an_event, letters, only, taken

REFUSED = Rejection("refused: 400 Bad Request", 400, '{"error":"no"}', attempts=13)


async def rejected(spool, *events, rejection=REFUSED):
    """Append *events*, and turn them into dead letters."""
    await spool.append(events)
    await only(spool).reject(await only(spool).take(ANY), rejection)


async def test_facts_of_a_dead_letter(tmp_path):
    """A dead letter has the event, time, reason, answer and attempts."""
    event = an_event(7)
    async with a_spool(tmp_path) as spool:
        await rejected(spool, event)
        assert only(spool).empty.is_set()

    async with a_spool(tmp_path) as spool:
        (letter,) = await letters(spool)
        assert (letter.backend, letter.event, letter.body) == (
            "default",
            event,
            event.body,
        )
        assert letter[3:8] == ("refused: 400 Bad Request", "", *REFUSED[1:])
        assert letter.created > 1_700_000_000_000
        assert (spool.waiting, spool.dead) == ((0, 0), (1, len(event.body)))


@pytest.mark.parametrize(
    "choice, found_by",
    [
        (Choice(), "PRIMARY KEY"),
        (Choice(backend="a"), "INDEX dead_letter_backend"),
        (Choice(status=400), "INDEX dead_letter_status"),
        (Choice(backend="a", status=400), "INDEX dead_letter_both"),
        (Choice(ids=[1], backend="a", status=400), "PRIMARY KEY"),
    ],
)
def test_a_page_reads_no_other_rows(tmp_path, choice, found_by):
    """Ids or an index lead to the chosen dead letters, whatever their number."""
    condition, parameters = choice.where
    explain = f"EXPLAIN QUERY PLAN SELECT * FROM dead_letter WHERE {condition}"  # noqa: S608
    with closing(create(tmp_path / "spool.sqlite")) as connection:
        plan = connection.execute(f"{explain} ORDER BY sequence", (0, 9, *parameters))
        (first, *_) = plan.fetchall()
    assert found_by in first[-1]


async def test_events_after_a_dead_letter(tmp_path):
    """After a dead letter, the next event of its instance can be taken."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1), an_event(2)])
        batch = await only(spool).take(ANY)
        first, second = batch.entries
        only(spool).give_back([second])
        await spool.append([an_event(3, instance=7)])
        other = await only(spool).take(ANY)
        assert [event.position for event in other.events] == [3]

        await only(spool).reject(Batch([first]), REFUSED)

        assert await taken_after(spool, other) == [2]


async def taken_after(spool, batch):
    """Settle *batch*, and return the positions that can be taken then."""
    await only(spool).settle(batch)
    return list(chain(*await taken(spool)))


async def test_a_damaged_letter_is_not_retried(tmp_path):
    """A dead letter of a backend that lost its event's fields stays a dead letter."""
    async with a_spool(tmp_path) as spool:
        await rejected(spool, an_event(1), an_event(2))
        first, _ = await letters(spool)
        lose = "UPDATE dead_letter SET partition = NULL WHERE sequence = ?"
        execute = spool._writer._connection.execute
        await spool._writer.do(partial(execute, lose, (first.id,)))

        handled = await spool.retry()

        assert (handled.count, handled.never_event_ids) == (1, [first.id])
        assert [letter.id for letter in await letters(spool)] == [first.id]
        assert list(chain(*await taken(spool))) == [2]


async def test_retried_events_come_last(tmp_path):
    """A retried event waits after its instance's events, and is taken once."""
    async with a_spool(tmp_path) as spool:
        await rejected(spool, an_event(1), an_event(2))
        await spool.append([an_event(3)])

        assert (await spool.retry()).count == 2

        assert await letters(spool) == []
        assert spool.dead == (0, 0)
        assert list(chain(*await taken(spool))) == [3, 1, 2]


async def test_unreadable_records(tmp_path):
    """An unreadable record can't be retried, only shown and dropped."""
    async with a_spool(tmp_path) as spool:
        await spool.append([], [Unreadable("it isn't JSON", "1-7", b"{garbage")])

        handled = await spool.retry()

        (letter,) = await letters(spool)
        assert (handled.count, handled.never_events) == (0, 1)
        assert (handled.never_event_ids, handled.of_no_backend) == ([letter.id], 0)
        assert (letter.event, letter.action, letter.body) == (None, "1-7", b"{garbage")
        assert (await spool.drop()).count == 1
        assert (await letters(spool), spool.dead) == ([], (0, 0))


@pytest.mark.parametrize(
    "choice, positions",
    [
        (Choice(), [1, 2, 3, 4]),
        (Choice(ids=[1, 3]), [1, 3]),
        (Choice(ids=[]), []),
        (Choice(ids=[99]), []),
        (Choice(status=422), [2]),
        (Choice(backend="teams"), [3, 4]),
        (Choice(backend="unknown"), []),
        (Choice(ids=[2, 3], backend="teams"), [3]),
        (Choice(status=400, backend="teams"), [3, 4]),
        (Choice(ids=[1], status=422), []),
    ],
)
async def test_a_choice(tmp_path, monkeypatch, choice, positions):
    """Dead letters can be chosen by id, backend and status, and retried."""
    monkeypatch.setattr(module, "PAGE", 2)
    async with a_spool(tmp_path, "audit", "teams") as spool:
        for position in (1, 2, 3, 4):
            name = "audit" if position < 3 else "teams"
            await spool.append([an_event(position, backends=(name,))])
            rejection = Rejection("refused", 422) if position == 2 else REFUSED
            box = spool.outboxes[name]
            await box.reject(await box.take(ANY), rejection)

        chosen = await letters(spool, choice)
        assert [letter.event.position for letter in chosen] == positions
        assert (await spool.retry(choice)).count == len(positions)
        assert spool.dead.rows == 4 - len(positions)
        assert (await spool.drop(choice)).count == 0
        found = [await taken(spool, backend=name) for name in spool.outboxes]
        assert list(chain(*chain(*found))) == positions


async def test_ids_that_do_not_exist(tmp_path):
    """Unknown ids are in the result."""
    async with a_spool(tmp_path) as spool:
        await rejected(spool, an_event(1), an_event(2))

        retried = await spool.retry(Choice(ids=[99, 1]))
        dropped = await spool.drop(Choice(ids=[1, 2]))

        assert (retried.count, retried.unknown) == (1, [99])
        assert (dropped.count, dropped.unknown) == (1, [1])


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("status", [None, 400])
async def test_pages(tmp_path, monkeypatch, newest_first, status):
    """Pages in either order have each dead letter once."""
    monkeypatch.setattr("exporter.spool.dead_letters.PAGE_BYTES", 50)
    async with a_spool(tmp_path) as spool:
        await rejected(spool, *map(an_event, range(1, 12)))
        seen, window = [], Window(newest_first=newest_first)
        while window:
            page = await spool.dead_letter_page(Choice(status=status), window)
            assert len(page.letters) <= 2
            seen += [letter.id for letter in page.letters]
            window = page.rest

    assert seen == sorted(range(1, 12), reverse=newest_first)


async def test_rejected_again_during_a_retry(tmp_path, monkeypatch):
    """A retry handles only the dead letters that existed at its start."""
    monkeypatch.setattr(module, "PAGE", 1)
    async with a_spool(tmp_path) as spool:
        await rejected(spool, an_event(1), an_event(2))

        async def reject_again():
            await only(spool).reject(await only(spool).take(ANY), REFUSED)

        rejecting = asyncio.create_task(reject_again())
        retried = await spool.retry()
        await rejecting

        assert retried.count == 2
