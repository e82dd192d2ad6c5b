"""A spool that is damaged: the service comes back, says so, and delivers the rest."""

import asyncio

import pytest

from devkit.waiting import eventually
from exporter import cli
from tests.records import KEY, tasks
from tests.service.running import running
from tests.unit.damage import overwrite, page_of

SHOUT = "the spool was damaged: what could be read of it was salvaged"


async def accept_for_ever(admin, _, stopping):
    """Let the broker in, damage or not, until the test is over."""
    admin.accepting = True
    await stopping.wait()
    stopping.clear()  # that was the damage
    await stopping.wait()


@pytest.fixture
async def file(settings, backend):
    """Return the file of a stopped service that holds 300 events."""
    backend.answer = 503
    async with running(settings(shutdown_timeout_ms=0)) as exporter:
        for position in range(1, 301):
            assert (await exporter.bulk(tasks(position))).status == 200
    backend.answer = 200
    backend.requests.clear()
    return settings().spool_dir / "spool.sqlite"


def overwrite_task(file, position):
    """Put garbage where the event at *position* is, and a few others with it."""
    overwrite(file, page_of(file, str(KEY + position).encode()))


async def test_damage_found_at_the_start(start, file, backend):
    """The service starts, shouts, counts, and delivers all that can be read."""
    overwrite_task(file, 1)

    exporter = await start()
    await eventually(lambda: backend.positions[-1:] == [300])

    (shout,) = exporter.lines.saying(SHOUT)
    metrics = await exporter.metrics()
    assert shout.levelname == "CRITICAL"
    assert 0 < shout.missing < 15
    assert shout.waiting_events == 300 - shout.missing
    assert shout.damaged_file.startswith(f"{file}.damaged-20")
    assert ".recover" in shout.remedy
    assert metrics["spool_salvages_total"] == 1
    assert len(backend.positions) == shout.waiting_events
    assert backend.positions == sorted(set(backend.positions))
    # What is missing may be sent again, and everything else is accepted as ever.
    assert (await exporter.bulk(tasks(1, 301))).status == 200
    await eventually(lambda: backend.positions[-2:] == [1, 301])


async def test_damage_found_while_running(launch, file, backend):
    """The service ends, so that it's restarted; then it salvages what can be read."""
    overwrite_task(file, 150)

    first, second = launch(), launch()
    first.spawn()
    ended = await first.ended()
    await second.run()
    await eventually(lambda: backend.positions[-1:] == [300])

    (shout,) = second.saying(SHOUT)
    assert ended == 1
    assert first.saying(SHOUT) == []
    assert "is damaged (database disk image is malformed)" in first.text
    assert "the next start salvages" in first.text
    assert shout["level"] == "critical"
    assert 0 < shout["missing"] < 15
    missing = set(range(1, 301)) - set(backend.positions)
    assert len(missing) == shout["missing"]


async def test_no_damage_no_shout(start, file, backend):
    """A spool that is sound starts as ever, and counts nothing."""
    exporter = await start()
    await eventually(lambda: len(backend.positions) == 300)

    assert exporter.lines.saying(SHOUT) == []
    assert (await exporter.metrics())["spool_salvages_total"] == 0
    assert not list(file.parent.glob("*damaged*"))


async def test_a_broker_is_put_off_until_the_restart(start, file, monkeypatch):
    """From the moment that damage is found nothing more is accepted."""
    monkeypatch.setattr("exporter.service._accepting", accept_for_ever)
    overwrite_task(file, 150)
    exporter = await start()
    await eventually((file.parent / "damaged").exists)

    refused, healthy = await exporter.bulk(tasks(301)), await exporter.look("/healthz")

    assert (refused.status, healthy.status) == (503, 503)
    assert "next start salvages" in refused.json["error"]["reason"]
    assert "next start salvages" in healthy.json["reason"]


@pytest.mark.parametrize("command", ["status", "dead-letters list"])
async def test_commands_leave_a_damaged_spool_alone(  # noqa: PLR0913, PLR0917
    start, file, backend, monkeypatch, capsys, settings, command
):
    """Who only looks salvages nothing: the service does, and tells what is missing."""
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(settings().spool_dir))
    overwrite_task(file, 1)
    before = sorted(each.name for each in file.parent.iterdir())

    status = await asyncio.to_thread(cli.main, command.split())
    said = capsys.readouterr().err
    after = sorted(each.name for each in file.parent.iterdir())
    exporter = await start()
    await eventually(lambda: backend.positions[-1:] == [300])

    assert status == 1
    assert "is damaged" in said
    assert "Start the service" in said
    assert after == before
    assert len(exporter.lines.saying(SHOUT)) == 1
