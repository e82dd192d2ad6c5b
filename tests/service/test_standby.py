"""A container that always exists is healthy while the exporter is switched off."""

import psutil
import pytest

from devkit.waiting import eventually
from tests.records import tasks
from tests.service.running import send

STANDING_BY = "standing by"


@pytest.mark.parametrize(
    "off, reason",
    [
        ({"ENABLED": "false"}, "APP_INTEGRATIONS_ENABLED is false"),
        ({"URL": ""}, "APP_INTEGRATIONS_URL is not set"),
    ],
)
async def test_off(launch, client, tmp_path, off, reason):
    """Until a signal it answers probes and opens nothing else; its log says why."""
    # Mistakes don't matter then, but a misspelt URL may be the reason.
    mistakes = {"CLUSTER_ID": "no id", "INGEST_PORT": "none", "URI": "http://b"}
    process = launch("--standby", **mistakes, **off)
    process.spawn()
    (line,) = await eventually(lambda: process.saying(STANDING_BY), within=20)

    for path, status in {"/healthz": 200, "/readyz": 200, "/metrics": 404}.items():
        async with client.get(process.admin_url + path) as answer:
            assert answer.status == status
    listening = [
        each.laddr.port
        for each in psutil.Process(process.pid).net_connections()
        if each.status == psutil.CONN_LISTEN
    ]

    assert await process.stop() == 0
    assert listening == [process.admin_port]
    assert not (tmp_path / "spool").exists()
    assert reason in line["reason"]
    (unknown,) = process.saying("setting unknown")
    assert "APP_INTEGRATIONS_URI isn't a setting" in unknown["detail"]
    assert len(process.lines) == 2


async def test_on(launch, client, backend):
    """With a backend it is `run`, and delivers."""
    process = launch("--standby")
    await process.run()

    assert await send(client, process.ingest_url, tasks(1)) == 200
    await eventually(lambda: backend.positions == [1])


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"ENABLED": "true"}, "APP_INTEGRATIONS_URL is not set"),
        ({"ADMIN_PORT": "many"}, "APP_INTEGRATIONS_ADMIN_PORT is 'many'"),
    ],
)
async def test_mistakes(launch, changes, problem):
    """It ends if the exporter is wanted without a backend, or can't listen."""
    process = launch("--standby", URL="", **changes)
    process.spawn()

    assert await process.ended() == 2
    assert problem in process.text
