"""`status` shows what is wrong and what to do, for people and machines."""

import asyncio

from devkit.waiting import eventually
from tests.records import tasks
from tests.service.running import eventually_metrics

OPENED = "the breaker opened: nothing is sent but probes"
CLOSED = "the breaker closed: events are sent again"


async def test_all_is_well(start, command):
    """An idle service is ok, and people, machines and metrics agree."""
    exporter = await start()
    await exporter.bulk(tasks(1, 2))
    await eventually_metrics(exporter, spool_events=0, delivery_events_total=2)

    code, out, err = await command(exporter, "status")
    of_json = await command(exporter, "status", "--json")

    assert (code, of_json.status, err) == (0, 0, "")
    assert out.startswith("delivering    yes, nothing waits\n")
    assert of_json.json["backends"]["default"]["delivery"]["events"] == 2
    assert of_json.json["ingest"]["answers"]["200"] == 1


async def test_a_backend_that_is_down(start, backend, command):
    """While the breaker is open the service isn't ok, and the status shows why."""
    backend.answer = 503
    exporter = await start()
    await exporter.bulk(tasks(1))
    await eventually(lambda: exporter.lines.saying(OPENED))

    code, out, _ = await command(exporter, "status")
    backend.answer = 200
    await eventually(lambda: exporter.lines.saying(CLOSED))
    await eventually_metrics(exporter, spool_events=0)
    again, *_ = await command(exporter, "status")

    first, why, to_do, waiting, *_ = out.splitlines()
    assert (code, again) == (1, 0)
    assert first.endswith("NO, the backend has trouble")
    assert "503" in why
    assert "Check the backend" in to_do
    assert "1 event, " in waiting
    assert len(exporter.lines.saying(OPENED)) == 1


async def test_wait(start, backend, command, monkeypatch, capsys):
    """With `--wait` the command returns when no event is waiting."""
    monkeypatch.setattr("exporter.commands.status.WAIT_SECONDS", 0.01)
    answered = backend.hold()
    exporter = await start()
    await exporter.bulk(tasks(1, 2))

    waiting = asyncio.create_task(command(exporter, "status", "--wait"))
    await eventually(lambda: "2 events are waiting" in capsys.readouterr().err)
    answered.set()

    code, out, _ = await waiting
    assert code == 0
    assert "nothing waits" in out
    assert len(backend.positions) == 2


async def test_no_service(start, backend, command):
    """Without a service, the waiting events are shown."""
    backend.answer = 503
    exporter = await start()
    await exporter.bulk(tasks(1, 2))
    await exporter.stop()

    code, out, _ = await command(None, "status", "--wait")
    of_json = await command(None, "status", "--json")

    assert (code, of_json.status) == (1, 1)
    first, to_do, waiting, _ = out.splitlines()
    assert first.endswith("NO, the service isn't running")
    assert "Start the service" in to_do
    assert "2 events" in waiting
    assert of_json.json["spool"]["events"] == 2


async def test_other_settings_may_be_wrong(start, command, monkeypatch, tmp_path):
    """A missing file of a credential doesn't prevent the status."""
    exporter = await start()
    monkeypatch.setenv("APP_INTEGRATIONS_API_KEY_FILE", str(tmp_path / "gone"))
    monkeypatch.delenv("APP_INTEGRATIONS_URL")

    code, out, _ = await command(exporter, "status")

    assert code == 0
    assert out.startswith("delivering")


async def test_metrics_of_a_hanging_disk(start, disk, monkeypatch):
    """A slow disk doesn't delay a scrape."""
    monkeypatch.setattr("exporter.watch.status.READ_SECONDS", 0.01)
    exporter = await start()

    disk.quick.clear()
    metrics = await exporter.metrics()
    disk.quick.set()

    assert metrics["spool_events"] == 0


async def test_a_mistake_of_ours_is_an_answer(start, monkeypatch):
    """A 500 to the broker counts like any other answer."""
    exporter = await start()
    monkeypatch.setattr("exporter.ingest.server.Bulk", None)

    reply = await exporter.bulk(tasks(1))

    assert reply.status == 500
    assert (await exporter.metrics())["ingest_answers_total other"] == 1
