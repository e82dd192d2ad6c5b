"""A damaged spool: the service restarts, reports it, and delivers the rest."""

import pytest

from devkit.waiting import eventually
from exporter.spool import SpoolDamagedError
from tests.records import KEY, tasks
from tests.service.running import running
from tests.unit.damage import overwrite, page_of

REPORT = "the spool was damaged: what could be read of it was salvaged"


async def keep_accepting(admin, _, stopping):
    """Accept requests after the damage, until the test is over."""
    admin.accepting = True
    await stopping.wait()
    stopping.clear()  # that was the damage
    await stopping.wait()


@pytest.fixture
async def file(settings, backend):
    """Return the file of a stopped service that holds 300 events."""
    backend.answer = 503
    async with running(settings(shutdown_timeout_ms=0)) as exporter:
        assert (await exporter.bulk(tasks(*range(1, 301)))).status == 200
    backend.answer = 200
    backend.requests.clear()
    return settings().spool_dir / "spool.sqlite"


def overwrite_task(file, position):
    """Overwrite the page of the event at *position* with garbage."""
    overwrite(file, page_of(file, str(KEY + position).encode()))


async def test_damage_found_at_the_start(start, file, backend):
    """The service reports the damage, and delivers all events that can be read."""
    overwrite_task(file, 1)

    exporter = await start()
    await eventually(lambda: backend.positions[-1:] == [300])

    (report,) = exporter.lines.saying(REPORT)
    metrics = await exporter.metrics()
    assert report.levelname == "CRITICAL"
    assert 0 < report.missing < 15
    assert report.waiting_events == 300 - report.missing
    assert report.damaged_file.startswith(f"{file}.damaged-20")
    assert ".recover" in report.remedy
    assert metrics["spool_salvages_total"] == 1
    assert len(backend.positions) == report.waiting_events
    assert backend.positions == sorted(set(backend.positions))
    assert (await exporter.bulk(tasks(1, 301))).status == 200
    await eventually(lambda: backend.positions[-2:] == [1, 301])


async def test_damage_found_while_running(start, file, backend):
    """The service ends, so that it's restarted; the next one salvages."""
    overwrite_task(file, 150)
    with pytest.raises(SpoolDamagedError, match="the next start salvages"):
        await (await start()).ended()  # the damage may be found before it has started

    second = await start()
    await eventually(lambda: backend.positions[-1:] == [300])

    (report,) = second.lines.saying(REPORT)
    assert 0 < report.missing < 15
    assert len({*range(1, 301)} - {*backend.positions}) == report.missing


async def test_nothing_is_accepted_until_the_restart(start, file, monkeypatch):
    """After damage is found, nothing is accepted."""
    monkeypatch.setattr("exporter.service._accepting", keep_accepting)
    overwrite_task(file, 150)
    exporter = await start()
    await eventually((file.parent / "damaged").exists)

    refused, healthy = await exporter.bulk(tasks(301)), await exporter.look("/healthz")

    assert (refused.status, healthy.status) == (503, 503)
    assert "next start salvages" in refused.json["error"]["reason"]
    assert "next start salvages" in healthy.json["reason"]


async def test_commands_leave_a_damaged_spool_alone(start, file, backend, command):
    """A command salvages nothing: the service does, and reports what is missing."""
    overwrite_task(file, 1)
    before = sorted(each.name for each in file.parent.iterdir())

    status, _, error = await command(None, "dead-letters", "list")
    after = sorted(each.name for each in file.parent.iterdir())
    exporter = await start()
    await eventually(lambda: backend.positions[-1:] == [300])

    assert status == 1
    assert "Start the service" in error
    assert after == before
    assert len(exporter.lines.saying(REPORT)) == 1
