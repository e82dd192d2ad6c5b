"""The admin port shows the health of the service, and nothing shows a secret."""

import base64
import contextlib
import resource

import pytest

from devkit.backend import Answer
from devkit.waiting import eventually
from exporter import __version__
from tests.records import tasks
from tests.service.running import send


async def test_health(start):
    """A service without problems is healthy and ready, and shows its metrics."""
    exporter = await start()

    for path in ("/healthz", "/readyz"):
        reply = await exporter.look(path)
        assert (reply.status, reply.json) == (200, {"status": "ok"})
    assert exporter.lines.saying("ready")[0].version == __version__
    metrics = await exporter.look("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert b"# HELP app_integrations_exporter_" in metrics.body


async def test_health_with_a_wrong_api_key(start, backend):
    """A failing backend doesn't make a pod unready: its Service would lose it."""
    backend.answer = 401
    exporter = await start()
    await exporter.bulk(tasks(1))
    await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert (await exporter.look("/healthz")).status == 200
    assert (await exporter.look("/readyz")).status == 200


async def test_health_of_a_removed_spool(start, settings):
    """Without its file, the service is unhealthy and refuses events."""
    exporter = await start()

    (settings().spool_dir / "spool.sqlite").unlink()
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")

    assert (ready.status, healthy.status) == (503, 503)
    assert "was removed or replaced" in healthy.json["reason"]
    assert (await exporter.bulk(tasks(1))).status == 503


async def test_health_of_a_removed_spool_with_events(start, settings, backend):
    """Events of a removed file are delivered first: a restart would lose them."""
    backend.answer = 503
    exporter = await start()
    await exporter.bulk(tasks(1))

    (settings().spool_dir / "spool.sqlite").unlink()
    before = await exporter.look("/healthz")
    backend.answer = 200
    await eventually(lambda: backend.positions == [1])
    while (after := await exporter.look("/healthz")).status == 200:
        pass  # until it is settled, too

    assert (before.status, after.status) == (200, 503)


async def test_health_of_a_hanging_disk(start, disk, monkeypatch):
    """If the writer hangs, the service is unhealthy: a restart may help."""
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
    """Limit the files of process *pid* to *size* bytes during the block."""
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@pytest.mark.slow
async def test_a_full_disk(launch, backend, client):
    """If a file can't grow, the broker sends its request again later."""
    backend.answer = 503
    process = launch()
    await process.run()
    assert await send(client, process.ingest_url, tasks(1)) == 200

    with files_of_at_most(1, process.pid):
        failed = await send(client, process.ingest_url, tasks(2))
        async with client.get(f"{process.admin_url}/readyz") as response:
            unready = response.status
    after = await send(client, process.ingest_url, tasks(2))
    backend.answer = 200

    assert (failed, unready, after) == (503, 503, 200)
    assert await process.stop() == 0
    assert backend.positions == [1, 2]


@pytest.mark.slow
async def test_no_secret_is_ever_shown(launch, backend, client, tmp_path):
    """No secret is in the log, metrics, answers or the spool."""
    secrets = {
        "API_KEY": "s3cret-of-backend",
        "INGEST_USERNAME": "broker",
        "INGEST_PASSWORD": "s3cret-of-broker",
    }
    url = f"{backend.url}?token=s3cret-of-url"
    backend.answer = Answer(302, {"Location": url})
    process = launch(**secrets, LOG_LEVEL="DEBUG", URL=url)
    await process.run()
    shown = []

    for path in ("/_bulk", "/unknown?token=s3cret-of-url"):
        for password in ("s3cret-of-broker", "s3cret-of-another"):
            encoded = base64.b64encode(f"broker:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {encoded}"}
            address = process.ingest_url + path
            async with client.post(address, headers=headers, data=tasks(1)) as response:
                shown.append(await response.text())
    await eventually(lambda: process.saying("batch not delivered"))
    for path in ("/metrics", "/status", "/readyz", "/healthz"):
        async with client.get(process.admin_url + path) as response:
            shown.append(await response.text())
    # The first one has a wrong URL, and the second one finds the spool in use.
    for wrong in ("http://user:s3cret-of-user@127.0.0.1/", url):
        second = launch(**secrets, URL=wrong)
        second.spawn()
        assert await second.ended() in (1, 2)
        shown.append(second.text)
    assert await process.stop() == 0
    shown.append(process.text)

    assert all(shown)
    assert [text for text in shown if "s3cret" in text] == []
    assert b"s3cret" not in (tmp_path / "spool" / "spool.sqlite").read_bytes()
