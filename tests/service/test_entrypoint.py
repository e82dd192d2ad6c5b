"""
The entrypoint starts the exporter next to the broker and never stops the broker.

The broker is a shell here; the container tests have the real one.
"""

import signal

import psutil
import pytest

from devkit.waiting import eventually
from exporter.broker.takeover import OFFICIAL
from exporter.bundle import entrypoint
from tests.records import tasks
from tests.service.containers import Container
from tests.service.running import send

OFF = {"APP_INTEGRATIONS_URL": ""}
OLD = "ZEEBE_BROKER_EXPORTERS_OLD_CLASSNAME"


@pytest.fixture
def container(tmp_path, backend):
    """Return a container that isn't started yet."""
    container = Container(tmp_path, backend.url)
    yield container
    container.kill()


def test_help(capsys):
    """The help has the usage."""
    assert entrypoint.main(["--help"]) == 0

    assert capsys.readouterr().out.startswith("usage: app-integrations-entrypoint")


@pytest.mark.slow
@pytest.mark.parametrize(
    "off, detail",
    [
        (
            OFF | {"APP_INTEGRATIONS_URI": "http://b"},
            "APP_INTEGRATIONS_URI isn't a setting",
        ),
        (
            {"APP_INTEGRATIONS_ENABLED": "false", OLD: OFFICIAL},
            "doesn't get the variables of OLD",
        ),
    ],
)
async def test_off(container, off, detail):
    """If the exporter is off, the entrypoint becomes the broker, without secrets."""
    container.begin(**off, APP_INTEGRATIONS_API_KEY="hunter2")
    broker = await container.broker()

    assert broker == container.pid
    ours = [name for name in container.environment() if "APP" in name or name == OLD]
    assert ours == []
    assert "hunter2" not in psutil.Process(broker).environ().values()
    assert container.messages == ["the exporter is off"]
    assert detail in container.text


@pytest.mark.slow
async def test_side_by_side(container, backend, client):
    """A record of the broker arrives, an exporter that dies is back, and both end."""
    container.begin()
    await container.broker()
    prefix = "ZEEBE_BROKER_EXPORTERS_APPINTSPOOL"
    assert container.environment()[f"{prefix}_ARGS_URL"] == container.ingest_url
    assert await send(client, container.ingest_url, tasks(1)) == 200
    await eventually(lambda: backend.positions == [1])
    assert (container.path / "home" / "data" / "app-integrations").is_dir()

    (exporter,) = container.exporters()
    exporter.kill()
    await eventually(lambda: container.messages.count("ready") == 2)
    gate = backend.hold()
    assert await send(client, container.ingest_url, tasks(2, 3)) == 200
    container.signal(signal.SIGTERM)
    await eventually(lambda: "stopping" in container.messages)
    gate.set()

    assert await container.ended() == 7
    assert container.said() == ["TERM"]
    # A kill between the answer and its commit repeats the event.
    assert backend.positions in ([1, 2, 3], [1, 1, 2, 3])
    # Two processes write: "broker ended" may come after the exporter's "stopping".
    *between, last = container.messages[-4:]
    assert {*between, last} == {"broker ended", "stopping", "stopped", "exporter ended"}
    assert last == "exporter ended"


@pytest.mark.slow
@pytest.mark.parametrize("url", [{}, OFF])
async def test_early_signal(container, url):
    """A signal that comes while the entrypoint starts ends it without a broker."""
    container.begin(early=True, **url)

    assert await container.ended() == 128 + signal.SIGTERM
    assert not (container.path / "pid").exists()


@pytest.mark.slow
@pytest.mark.parametrize("url", [{}, OFF])
async def test_bare(container, url):
    """The broker starts even if streams are closed, with no signal blocked."""
    script = 'grep -c "SigBlk:.*[1-9a-f]" /proc/self/status > count; exit 3'
    container.begin("/bin/sh", "-c", script, bare=True, **url)

    assert await container.ended() == 3
    assert (container.path / "count").read_text() == "0\n"


@pytest.mark.slow
async def test_no_such_command(container):
    """A command that can't be started ends with the status of a shell."""
    container.begin("no-such-command", **OFF)

    assert await container.ended() == 127
    assert "command can't be started" in container.messages


WRONG = {"APP_INTEGRATIONS_BATCH_SIZE": "many", "APP_INTEGRATIONS_LOG_LEVEL": "loud"}


@pytest.mark.slow
async def test_wrong_configuration(container):
    """With mistakes, the broker starts alone, unless the exporter is required."""
    container.begin(**WRONG, APP_INTEGRATIONS_REQUIRED="true")
    assert await container.ended() == 2
    assert not (container.path / "pid").exists()
    assert "starts without" not in container.text

    container.begin(**WRONG)
    broker = await container.broker()

    assert broker == container.pid
    ours = [name for name in container.environment() if name.startswith("APP_")]
    assert ours == []
    for part in (*WRONG, "starts without the exporter", "its log grows"):
        assert part in container.text


@pytest.mark.slow
async def test_no_such_host(container):
    """An impossible host name stops the exporter, but not the supervisor."""
    credentials = {f"APP_INTEGRATIONS_INGEST_{x}": x for x in ("USERNAME", "PASSWORD")}
    container.begin(APP_INTEGRATIONS_INGEST_HOST="xn--a", **credentials)

    await eventually(lambda: "exporter died" in container.text)
    container.signal(signal.SIGTERM)

    assert await container.ended() == 128 + signal.SIGTERM
    assert "Traceback" not in container.text
