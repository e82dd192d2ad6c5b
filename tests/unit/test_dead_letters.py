"""Dead letters: kept with their reason, and sent again or dropped by choice."""

import asyncio
from itertools import chain

import pytest

from exporter.spool import (
    Batch,
    Choice,
    Rejection,
    SpoolFailedError,
    Unreadable,
    Window,
)
from exporter.spool import spool as module
from tests.unit.spools import ANY, a_spool, an_event, failing, letters, only, taken

REFUSED = Rejection("refused: 400 Bad Request", 400, '{"error":"no"}', attempts=13)


async def buried(spool, *events, verdict=REFUSED):
    """Accept *events* and give them up."""
    await spool.append(events)
    await only(spool).reject(await only(spool).take(ANY), verdict)


async def test_a_dead_letter_tells_all(tmp_path):
    """It has the event, the time, the reason, the answer and the attempts, on disk."""
    event = an_event(7)
    async with a_spool(tmp_path) as spool:
        await buried(spool, event)
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


async def test_a_dead_letter_lets_its_followers_pass(tmp_path):
    """What waits for the instance of an event that was given up goes next."""
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
    """Settle *batch*; return the positions of all that can be taken then."""
    await only(spool).settle(batch)
    return list(chain(*await taken(spool)))


async def test_what_is_sent_again_goes_behind_the_rest(tmp_path):
    """A revived event waits behind what waits for its instance, and comes once."""
    async with a_spool(tmp_path) as spool:
        await buried(spool, an_event(1), an_event(2))
        await spool.append([an_event(3)])

        assert (await spool.retry()).count == 2

        assert await letters(spool) == []
        assert spool.dead == (0, 0)
        assert list(chain(*await taken(spool))) == [3, 1, 2]


async def test_what_never_was_an_event_is_not_sent(tmp_path):
    """A record kept aside stays a dead letter; it can be looked at and dropped."""
    async with a_spool(tmp_path) as spool:
        await spool.append([], [Unreadable("it is no JSON", "1-7", b"{garbage")])

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
        (Choice(), [1, 2, 3]),
        (Choice(ids=[1, 3]), [1, 3]),
        (Choice(ids=[]), []),
        (Choice(ids=[99]), []),
        (Choice(status=422), [2]),
        (Choice(ids=[1], status=422), []),
    ],
)
async def test_a_choice(tmp_path, monkeypatch, choice, positions):
    """Dead letters are chosen by id, by status, or all of them."""
    monkeypatch.setattr(module, "PAGE", 2)
    async with a_spool(tmp_path) as spool:
        await buried(spool, an_event(1))
        await buried(spool, an_event(2), verdict=Rejection("refused", 422))
        await buried(spool, an_event(3))

        chosen = await letters(spool, choice)
        assert [letter.event.position for letter in chosen] == positions
        assert (await spool.retry(choice)).count == len(positions)
        assert spool.dead.rows == 3 - len(positions)
        assert (await spool.drop(choice)).count == 0
        assert list(chain(*await taken(spool))) == positions


async def test_a_failing_disk_buries_nothing_twice(tmp_path, monkeypatch):
    """An event that can't be given up now is given up once, as soon as it can be."""
    monkeypatch.setattr("exporter.spool.outbox.RETRY_SECONDS", 0.01)
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
        batch = await only(spool).take(ANY)
        async with failing(spool):
            burying = asyncio.create_task(only(spool).reject(batch, REFUSED))
            with pytest.raises(SpoolFailedError):
                await spool.check_writable()
            assert not burying.done()

        await asyncio.wait_for(burying, 30)
        assert len(await letters(spool)) == 1
        assert (spool.waiting, spool.dead.rows) == ((0, 0), 1)


async def test_ids_that_do_not_exist_are_told(tmp_path):
    """Whoever chooses by id learns which ones there are none of."""
    async with a_spool(tmp_path) as spool:
        await buried(spool, an_event(1), an_event(2))

        revived = await spool.retry(Choice(ids=[99, 1]))
        dropped = await spool.drop(Choice(ids=[1, 2]))

        assert (revived.count, revived.unknown) == (1, [99])
        assert (dropped.count, dropped.unknown) == (1, [1])


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("status", [None, 400])
async def test_pages(tmp_path, monkeypatch, newest_first, status):
    """Pages from either end hold everything once, however little each may hold."""
    monkeypatch.setattr("exporter.spool.dead_letters.SCANNED", 2)
    monkeypatch.setattr("exporter.spool.dead_letters.PAGE_BYTES", 50)
    async with a_spool(tmp_path) as spool:
        await buried(spool, *map(an_event, range(1, 12)))
        seen, window = [], Window(newest_first=newest_first)
        while window:
            page = await spool.dead_letter_page(Choice(status=status), window)
            assert len(page.letters) <= 2
            seen += [letter.id for letter in page.letters]
            window = page.rest

    assert seen == sorted(range(1, 12), reverse=newest_first)


async def test_a_search_looks_at_a_few_rows_at_a_time(tmp_path, monkeypatch):
    """A status that nothing has doesn't hold up the writer for the whole table."""
    monkeypatch.setattr("exporter.spool.dead_letters.SCANNED", 3)
    async with a_spool(tmp_path) as spool:
        await buried(spool, *map(an_event, range(1, 12)))

        page = await spool.dead_letter_page(Choice(status=999), Window())

        assert (page.letters, page.rest) == ([], Window(after=3))


async def test_what_dies_again_meanwhile_is_left(tmp_path, monkeypatch):
    """One pass ends with the dead letters that were there when it began."""
    monkeypatch.setattr(module, "PAGE", 1)
    async with a_spool(tmp_path) as spool:
        await buried(spool, an_event(1), an_event(2))

        async def bury_once_more():
            await only(spool).reject(await only(spool).take(ANY), REFUSED)

        burying = asyncio.create_task(bury_once_more())
        revived = await spool.retry()
        await burying

        assert revived.count == 2
