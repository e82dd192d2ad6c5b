"""What the admin port shows tells the truth, and never a secret."""

import base64
import contextlib
import resource

import pytest

from devkit.backend import Answer
from devkit.waiting import eventually
from exporter import __version__
from tests.records import tasks
from tests.service.running import send

MIB = 1024 * 1024


async def test_health(start):
    """A service without trouble is healthy and ready, and shows its metrics."""
    exporter = await start()

    for path in ("/healthz", "/readyz"):
        reply = await exporter.look(path)
        assert (reply.status, reply.json) == (200, {"status": "ok"})
    assert exporter.lines.saying("ready")[0].version == __version__
    metrics = await exporter.look("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert b"# HELP app_integrations_exporter_" in metrics.body


async def test_a_backend_in_trouble_is_no_matter_of_health(start, backend):
    """An unready pod would lose its Service, so a wrong API key changes nothing."""
    backend.answer = 401
    exporter = await start()
    await exporter.bulk(tasks(1))
    await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert (await exporter.look("/healthz")).status == 200
    assert (await exporter.look("/readyz")).status == 200


@pytest.mark.parametrize("size", [400_000, 20_000])
async def test_readiness_of_a_full_spool(start, backend, size):
    """While requests are put off for want of room we're not ready, but healthy."""
    backend.answer = 503
    exporter = await start(spool_max_bytes=MIB)
    status, position = 200, 0
    while status == 200:
        position += 1
        body = tasks(position, value={"assignee": "x" * size})
        status = (await exporter.bulk(body)).status

    metrics = await exporter.metrics()
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")
    backend.answer = 200
    await eventually(lambda: len(backend.positions) == position - 1)
    await exporter.bulk(body)
    await eventually(lambda: len(backend.positions) == position)

    assert status == 429
    assert metrics["spool_full"] == metrics["ingest_answers_total 429"] == 1
    assert (ready.status, healthy.status) == (503, 200)
    assert "full" in ready.json["reason"]
    assert (await exporter.look("/readyz")).status == 200


async def test_health_of_a_spool_that_was_removed(start, settings):
    """Only a restart brings a new spool: that's unhealthy, and events are refused."""
    exporter = await start()

    (file,) = settings().spool_dir.glob("spool.sqlite")
    file.unlink()
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")

    assert (ready.status, healthy.status) == (503, 503)
    assert "was removed or replaced" in healthy.json["reason"]
    assert (await exporter.bulk(tasks(1))).status == 503


async def test_health_of_a_lost_spool_that_still_holds_events(start, settings, backend):
    """What a removed file still held is delivered first: a restart would lose it."""
    backend.answer = 503
    exporter = await start()
    await exporter.bulk(tasks(1))

    (file,) = settings().spool_dir.glob("spool.sqlite")
    file.unlink()
    before = await exporter.look("/healthz")
    backend.answer = 200
    await eventually(lambda: backend.positions == [1])
    while (after := await exporter.look("/healthz")).status == 200:
        pass  # until it is settled, too

    assert (before.status, after.status) == (200, 503)


async def test_metrics_in_a_form_that_is_none(start):
    """A scraper that asks for a version which is none gets the usual text."""
    exporter = await start()

    reply = await exporter.look(
        "/metrics", headers={"Accept": "application/openmetrics-text;version=abc"}
    )

    assert reply.status == 200
    assert b"spool_events" in reply.body


async def test_health_of_a_hanging_disk(start, disk, monkeypatch):
    """When the writer doesn't come back, a restart may help: that's unhealthy."""
    exporter = await start()

    disk.quick.clear()
    with monkeypatch.context() as impatient:
        impatient.setattr("exporter.admin.admin.WRITER_SECONDS", 0.05)
        ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")
    disk.quick.set()

    async def is_healthy():
        return (await exporter.look("/healthz")).status == 200

    await eventually(is_healthy)
    assert disk.asked.is_set()
    assert (ready.status, healthy.status) == (503, 503)
    assert "didn't answer within" in healthy.json["reason"]


@contextlib.contextmanager
def files_of_at_most(size, pid):
    """Let no file of process *pid* grow beyond *size* bytes during the block."""
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


async def test_a_disk_that_is_really_full(launch, backend, client):
    """A file that can't grow costs the broker an attempt, and us nothing at all."""
    backend.answer = 503
    process = launch()
    await process.run()
    assert await send(client, process.ingest_url, tasks(1)) == 200

    with files_of_at_most(1, process.pid):
        failed = await send(client, process.ingest_url, tasks(2))
        async with client.get(f"{process.admin_url}/readyz") as response:
            unready = response.status
    mended = await send(client, process.ingest_url, tasks(2))
    backend.answer = 200

    assert (failed, unready, mended) == (503, 503, 200)
    assert await process.stop() == 0
    assert backend.positions == [1, 2]


async def test_no_secret_is_ever_shown(launch, backend, client, tmp_path):
    """Whatever goes wrong, no secret is in log, metrics or answers."""
    secrets = {
        "API_KEY": "s3cret-of-backend",
        "INGEST_USERNAME": "broker",
        "INGEST_PASSWORD": "s3cret-of-broker",
    }
    location = {"Location": f"{backend.url}?token=s3cret-of-url"}
    backend.answer = Answer(302, location)
    process = launch(
        **secrets, LOG_LEVEL="DEBUG", URL=f"{backend.url}?token=s3cret-of-url"
    )
    await process.run()
    shown = []

    for path in ("/_bulk", "/unknown?token=s3cret-of-url"):
        for password in (b"s3cret-of-broker", b"s3cret-of-another"):
            encoded = base64.b64encode(b"broker:" + password).decode()
            headers = {"Authorization": f"Basic {encoded}"}
            asked = client.post(
                process.ingest_url + path, headers=headers, data=tasks(1)
            )
            async with asked as response:
                shown.append(await response.text())
    await eventually(lambda: process.saying("batch not delivered"))
    for path in ("/metrics", "/status", "/readyz", "/healthz"):
        async with client.get(process.admin_url + path) as response:
            shown.append(await response.text())
    for changes in (
        {"URL": "http://user:s3cret-of-user@127.0.0.1/"},
        {"URL": f"{backend.url}?token=s3cret-of-url"},
    ):
        second = launch(**secrets | changes)
        second.spawn()
        assert await second.ended() in (1, 2)
        shown.append(second.text)
    assert await process.stop() == 0
    shown.append(process.text)

    assert len(backend.requests) >= 1
    assert all(shown)
    assert [text for text in shown if "s3cret" in text] == []
    database = (tmp_path / "spool" / "spool.sqlite").read_bytes()
    assert b"s3cret" not in database
