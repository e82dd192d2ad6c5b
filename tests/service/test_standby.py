"""A container that is always there looks well while the exporter is switched off."""

import signal

import psutil
import pytest

from devkit.waiting import eventually
from tests.records import tasks
from tests.service.running import send

STANDING_BY = "standing by"


async def told(process):
    """Start *process*; return the line that says that it stands by."""
    process.spawn()
    (line,) = await eventually(lambda: process.saying(STANDING_BY), within=20)
    return line


@pytest.mark.parametrize(
    "off, reason",
    [
        ({"ENABLED": "false"}, "APP_INTEGRATIONS_ENABLED is false"),
        ({"URL": ""}, "no backend is configured: APP_INTEGRATIONS_URL is not set"),
    ],
)
async def test_off(launch, client, tmp_path, off, reason):
    """Switched off it answers probes, opens nothing else, and says why in a line."""
    process = launch("--standby", **off)
    await told(process)

    for path, status in {"/healthz": 200, "/readyz": 200, "/metrics": 404}.items():
        async with client.get(process.admin_url + path) as answer:
            assert answer.status == status
    listening = [
        each.laddr.port
        for each in psutil.Process(process.pid).net_connections()
        if each.status == psutil.CONN_LISTEN
    ]

    assert listening == [process.admin_port]
    assert not (tmp_path / "spool").exists()
    (line,) = process.lines
    assert line["reason"] == reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stop(launch, number):
    """Asked to stop it does, and has nothing to say about it."""
    process = launch("--standby", URL="")
    await told(process)
    process.signal(number)

    assert await process.ended() == 0
    assert len(process.lines) == 1


async def test_on(launch, client, backend):
    """With a backend it is `run`, and delivers."""
    process = launch("--standby")
    await process.run()

    assert await send(client, process.ingest_url, tasks(1)) == 200
    await eventually(lambda: backend.positions == [1])


@pytest.mark.parametrize("on", [{"ENABLED": "true"}, {"REQUIRED": "true"}])
async def test_wanted_and_not_configured(launch, on):
    """Who wants it in so many words is told what is missing, and it doesn't run."""
    process = launch("--standby", URL="", **on)
    process.spawn()

    assert await process.ended() == 2
    assert "APP_INTEGRATIONS_URL is not set" in process.text


async def test_mistakes_in_other_settings(launch):
    """What is set wrongly elsewhere keeps nobody from standing by."""
    process = launch("--standby", URL="", CLUSTER_ID="no id", INGEST_PORT="none")

    assert await told(process)


async def test_mistakes_in_the_address(launch):
    """An address it can't listen on ends it, with the name of the setting."""
    process = launch("--standby", URL="", ADMIN_PORT="many")
    process.spawn()

    assert await process.ended() == 2
    assert "APP_INTEGRATIONS_ADMIN_PORT is 'many'" in process.text


async def test_misspelt(launch):
    """Who misspells the URL is told so: else nothing would say why nothing arrives."""
    process = launch("--standby", URL="", URI="http://b")
    await told(process)

    (line,) = process.saying("setting unknown")
    assert "APP_INTEGRATIONS_URI isn't a setting" in (line["detail"])
