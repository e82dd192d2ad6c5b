"""A backend that got a task's first event gets its last one, despite filters."""

import pytest

from exporter.events import Filter, Filters, Mapper, Selection
from exporter.spool import known
from tests.records import KEY, a_record, line
from tests.unit.spools import a_spool

TASK = KEY + 7


def backend(text="user-task", **filters):
    """Return a selection with *filters*."""
    return Selection(text, Filters(**{k: Filter(v) for k, v in filters.items()}))


def a_task(position, intent, *, tenant="default", process="a", **changes):
    """Return a function that maps a task's record with *changes*."""
    value = {"bpmnProcessId": process, "elementId": "approve"} | changes
    record = a_record(position, intent=intent, key=TASK, value=value)
    return lambda mapper: mapper.event(line(record), tenant)


class Spool:
    """A spool and a mapper."""

    def __init__(self, spool, mapper):
        """Use *mapper*."""
        self.spool, self._mapper = spool, mapper

    async def append(self, *tasks):
        """Append *tasks* in one request; return (backend, position) of new entries."""
        events = [event for task in tasks if (event := task(self._mapper))]
        accepted = await self.spool.append(events)
        return [(*e.event.backends, e.event.position) for e in accepted.entries]


@pytest.fixture
def opening(tmp_path):
    """Return a function that opens a spool for backends with these selections."""

    def begin(**selections):
        opened = a_spool(tmp_path, *selections)
        mapper = Mapper(selections)

        class Opening:
            async def __aenter__(self):
                return Spool(await opened.__aenter__(), mapper)

            async def __aexit__(self, *error):
                await opened.__aexit__(*error)

        return Opening()

    return begin


MIGRATED = a_task(2, "MIGRATED", process="b", elementId="check")
END = a_task(3, "COMPLETED", process="b", elementId="check")


@pytest.mark.parametrize("filters", [{"processes": "a"}, {"elements": "!check"}])
async def test_an_end_after_a_migration(opening, filters):
    """The last event arrives after a migration; events between stay filtered."""
    async with opening(teams=backend(**filters)) as spool:
        assert await spool.append(a_task(1, "CREATED")) == [("teams", 1)]
    async with opening(teams=backend(**filters)) as spool:
        assert await spool.append(MIGRATED) == []
        assert await spool.append(END) == [("teams", 3)]
        assert await spool.append(END) == []


async def test_an_end_after_a_salvage(opening, tmp_path):
    """Known tasks are salvaged."""
    async with opening(teams=backend(processes="a")) as spool:
        await spool.append(a_task(1, "CREATED"))
    (tmp_path / "damaged").touch()

    async with opening(teams=backend(processes="a")) as spool:
        assert await spool.append(END) == [("teams", 3)]


async def test_all_in_one_request(opening):
    """A task may begin and end in one request."""
    async with opening(teams=backend(processes="a")) as spool:
        tasks = a_task(1, "CREATED"), MIGRATED, END
        assert await spool.append(*tasks) == [("teams", 1), ("teams", 3)]
        assert await spool.append(*tasks) == []


async def test_an_end_of_an_unknown_task(opening):
    """An unknown task's last event is filtered, even with another tenant's key."""
    async with opening(teams=backend(processes="a")) as spool:
        assert await spool.append(a_task(1, "CREATED", process="b"), END) == []
        assert await spool.append(a_task(1, "CREATED", tenant="east")) == [("teams", 1)]
        assert await spool.append(END) == []


async def test_each_by_its_own_filter(opening):
    """Each backend gets the last events of its own tasks."""
    teams, audit = backend(processes="a"), backend(processes="b")
    async with opening(teams=teams, audit=audit, all=backend()) as spool:
        await spool.append(a_task(1, "CREATED"))

        assert sorted(await spool.append(END)) == [
            ("all", 3),
            ("audit", 3),
            ("teams", 3),
        ]


async def test_a_filtered_tenant(opening):
    """The tenant's filter applies to all events."""
    async with opening(teams=backend(processes="a", tenants="x")) as spool:
        assert await spool.append(a_task(1, "CREATED", tenantId="x")) == [("teams", 1)]
        other = a_task(3, "COMPLETED", process="b", tenantId="y")
        assert await spool.append(other) == []


async def rows(spool):
    """Return the number of remembered tasks."""
    connection = spool.spool._writer._connection
    return connection.execute("SELECT count(*) FROM known").fetchone()[0]


async def test_rows(opening, monkeypatch):
    """Only open tasks of filtered backends are remembered, up to a limit."""
    monkeypatch.setattr(known, "MOST", 10)
    monkeypatch.setattr(known, "LOOK_EVERY", 1)
    async with opening(all=backend()) as spool:
        await spool.append(a_task(1, "CREATED"))
        assert await rows(spool) == 0
    async with opening(teams=backend(processes="a")) as spool:
        await spool.append(a_task(2, "CREATED"))
        assert await rows(spool) == 1
        await spool.append(a_task(3, "COMPLETED"))
        assert await rows(spool) == 0
        for number in range(20):
            record = a_record(9 + number, key=number, value={"bpmnProcessId": "a"})
            await spool.append(lambda mapper, r=record: mapper.event(line(r)))
        assert await rows(spool) == 10
