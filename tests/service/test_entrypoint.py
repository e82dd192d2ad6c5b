"""
The entrypoint starts the exporter beside the broker and never stands in its way.

The broker is a shell here; the container tests have the real one.
"""

import os
import pty
import signal
import socket
import time

import psutil
import pytest

from devkit.processes import LOOPBACK
from devkit.waiting import eventually
from exporter.broker.takeover import OFFICIAL
from exporter.bundle.supervisor import RESTART_SECONDS, STOP_SECONDS
from tests.records import tasks
from tests.service.containers import Container
from tests.service.running import send

# A broker that ends only after the file `end` is there.
SLOW_BROKER = """
trap 'echo TERM >> said; until [ -e end ]; do sleep 0.05; done; exit 0' TERM
echo $$ > pid.new
mv pid.new pid
while :; do sleep 0.05; done
"""

# Of an exporter that waits for its backend until it is killed.
PATIENT = {
    f"APP_INTEGRATIONS_{name}_TIMEOUT_MS": "3600000" for name in ("REQUEST", "SHUTDOWN")
}


@pytest.fixture
def container(tmp_path, backend):
    """Return a container that isn't started yet."""
    container = Container(tmp_path, backend.url)
    yield container
    container.kill()


@pytest.mark.parametrize(
    "off", [{"APP_INTEGRATIONS_URL": ""}, {"APP_INTEGRATIONS_ENABLED": "false"}]
)
async def test_off(container, off):
    """If the exporter is off, the broker runs alone, without our secrets."""
    secret = {"APP_INTEGRATIONS_API_KEY": "hunter2", "APP_INTEGRATIONS_HEADERS": "a: b"}
    container.begin(**off, **secret)
    broker = await container.broker()

    assert broker == container.pid
    assert [name for name in container.told() if "APP" in name] == []
    assert "hunter2" not in psutil.Process(broker).environ().values()
    assert psutil.Process(broker).cmdline()[0] == "/bin/sh"


async def test_off_by_a_misspelt_name(container):
    """A misspelt URL setting is logged, or nobody would know why nothing arrives."""
    container.begin(APP_INTEGRATIONS_URL="", APP_INTEGRATIONS_URI="http://b")
    await container.broker()

    assert container.messages == ["the exporter is off"]
    assert "APP_INTEGRATIONS_URI isn't a setting" in (container.text)


async def test_off_and_official(container):
    """Switched off, the official class still doesn't reach the broker."""
    name = "ZEEBE_BROKER_EXPORTERS_OLD_CLASSNAME"
    container.begin(**{"APP_INTEGRATIONS_ENABLED": "false", name: OFFICIAL})
    await container.broker()

    assert name not in container.told()
    assert container.messages == [
        "the exporter is off, and its variables are kept from the broker"
    ]


async def test_side_by_side(container, backend, client):
    """The broker starts after the exporter is ready, and its records arrive."""
    container.begin()
    await container.broker()

    prefix = "ZEEBE_BROKER_EXPORTERS_APPINTSPOOL"
    assert container.told()[f"{prefix}_ARGS_URL"] == container.ingest_url
    assert await send(client, container.ingest_url, tasks(1)) == 200
    await eventually(lambda: backend.positions == [1])
    assert (container.path / "home" / "data" / "app-integrations").is_dir()


@pytest.mark.parametrize(
    "script, status",
    [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)],
)
async def test_status(container, script, status):
    """The exit status is that of the broker, as in a shell."""
    container.begin("/bin/sh", "-c", script)

    assert await container.ended() == status


@pytest.mark.parametrize(
    "command, status", [("no-such-command", 127), ("/etc/passwd", 126)]
)
@pytest.mark.parametrize("url", [{}, {"APP_INTEGRATIONS_URL": ""}])
async def test_no_such_command(container, command, status, url):
    """A command that can't be started ends with the status of a shell."""
    container.begin(command, **url)

    assert await container.ended() == status
    assert "command can't be started" in container.messages


async def test_ends_in_order(container, backend, client):
    """TERM reaches the broker first; its last records are still delivered."""
    gate = backend.hold()
    container.begin()
    await container.broker()

    assert await send(client, container.ingest_url, tasks(1, 2, 3)) == 200
    container.signal(signal.SIGTERM)
    await eventually(lambda: "stopping" in container.messages)
    gate.set()

    assert await container.ended() == 7
    assert container.said() == ["TERM"]
    assert backend.positions == [1, 2, 3]
    assert container.messages == [
        "ready",
        "broker ended",
        "stopping",
        "stopped",
        "exporter ended",
    ]


async def test_signals_passed_on(container):
    """Signals for the broker, like QUIT, reach only the broker."""
    container.begin()
    await container.broker()
    (exporter,) = container.exporters()

    container.signal(signal.SIGQUIT)
    await eventually(lambda: container.said() == ["QUIT"])
    container.signal(signal.SIGINT)
    await eventually(lambda: container.said() == ["QUIT", "INT"])

    assert exporter.is_running()
    assert "stopping" not in container.messages


async def test_exporter_killed(container, backend, client):
    """An exporter that dies is restarted at once; the broker goes on."""
    container.begin()
    broker = await container.broker()
    (before,) = container.exporters()

    before.kill()
    await eventually(lambda: container.messages.count("ready") == 2)

    assert RESTART_SECONDS[0] < 1
    assert await send(client, container.ingest_url, tasks(1)) == 200
    await eventually(lambda: backend.positions == [1])
    assert psutil.Process(broker).is_running()
    assert container.said() == []


async def test_exporter_that_never_starts(container):
    """If the exporter can't start, the broker starts anyway, with a log line."""
    with socket.create_server((LOOPBACK, container.ingest_port)):
        container.begin(bounds={"READY_SECONDS": 2.0})
        await container.broker()
        died = "exporter died: it is restarted, and the broker keeps its records"
        await eventually(lambda: container.messages.count(died) > 1)

    assert any(each.startswith("exporter not ready") for each in container.messages)
    await eventually(lambda: "ready" in container.messages)


async def test_no_such_admin_host(container):
    """An impossible host name stops the exporter, but not the broker."""
    container.begin(bounds={"READY_SECONDS": 0.5}, APP_INTEGRATIONS_ADMIN_HOST="xn--a")

    await container.broker()


async def test_stopped_before_the_broker(container):
    """A signal while waiting for the exporter ends it without a broker."""
    with socket.create_server((LOOPBACK, container.ingest_port)):
        container.begin()
        await eventually(lambda: container.messages)
        container.signal(signal.SIGTERM)

        assert await container.ended() == 128 + signal.SIGTERM
    assert not (container.path / "pid").exists()


async def one_waits(container, backend, client, *command, **options):
    """Start with a patient exporter that has accepted an event; return its gate."""
    gate = backend.hold()
    container.begin(*command, **options, **PATIENT)
    await container.broker()
    assert await send(client, container.ingest_url, tasks(1)) == 200
    return gate


async def test_drain_too_long(container, backend, client):
    """Events that can't be delivered in time stay on disk."""
    bounds = {"STOP_SECONDS": 0.5}
    gate = await one_waits(container, backend, client, bounds=bounds)

    container.signal(signal.SIGTERM)

    assert await container.ended() == 7
    assert "exporter still draining: killed, the rest is on disk" in container.messages
    gate.set()
    container.begin("/bin/sh", "-c", "exit 0")
    assert await container.ended() == 0
    assert backend.accepted[-1].positions == [1]


async def test_paused_while_it_waits(container, backend, client):
    """A container that is stopped and goes on later ends as if nothing had been."""
    bounds = {"STOP_SECONDS": 0.5}
    gate = await one_waits(container, backend, client, bounds=bounds)
    container.signal(signal.SIGTERM)
    await eventually(lambda: "stopping" in container.messages)

    container.signal(signal.SIGSTOP)
    over = time.monotonic() + 0.6
    await eventually(lambda: time.monotonic() > over)
    container.signal(signal.SIGCONT)

    assert await container.ended() == 7
    gate.set()


async def test_drain_after_a_signal_that_the_broker_survived(container):
    """A signal that the broker survived doesn't shorten a later drain."""
    container.set_clock(0)
    container.begin()
    broker = await container.broker()
    container.signal(signal.SIGINT)
    await eventually(lambda: container.said() == ["INT"])
    container.set_clock(STOP_SECONDS + 1)

    psutil.Process(broker).kill()

    assert await container.ended() == 137
    assert container.messages[-2:] == ["stopped", "exporter ended"]


async def test_end_within_the_time_of_a_slow_broker(container, backend, client):
    """Broker and drain share the time since the signal."""
    container.set_clock(0)
    slow = "/bin/sh", "-c", SLOW_BROKER
    gate = await one_waits(container, backend, client, *slow)

    container.signal(signal.SIGTERM)
    await eventually(container.said)
    container.set_clock(STOP_SECONDS - 1)
    (container.path / "end").touch()
    await eventually(lambda: "stopping" in container.messages)
    container.set_clock(STOP_SECONDS)

    assert await container.ended() == 0
    assert "exporter still draining: killed, the rest is on disk" in container.messages
    gate.set()


@pytest.mark.parametrize("url", [{}, {"APP_INTEGRATIONS_URL": ""}])
async def test_signals_are_the_brokers_own(container, url):
    """The broker starts with no signal blocked or ignored."""
    container.begin("/bin/sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status", **url)

    assert await container.ended() == 0
    blocked, ignored = (
        int(line.split()[1], 16)
        for line in container.text.splitlines()
        if line.startswith("Sig")
    )
    # glibc ignores two of its own, 32 and 33, in whatever it spawns.
    assert (blocked, ignored & 0x7FFFFFFF) == (0, 0)


@pytest.mark.parametrize("url", [{}, {"APP_INTEGRATIONS_URL": ""}])
async def test_no_streams_and_no_news_of_children(container, url):
    """The broker starts even if streams are closed and SIGCHLD is ignored."""
    container.begin("/bin/sh", "-c", "exit 3", bare=True, **url)

    assert await container.ended() == 3


WRONG = {"APP_INTEGRATIONS_BATCH_SIZE": "many", "APP_INTEGRATIONS_LOG_LEVEL": "loud"}


async def test_wrong_configuration(container):
    """With mistakes, the broker starts alone, after an error with all of them."""
    container.begin(**WRONG)
    broker = await container.broker()

    assert broker == container.pid
    assert [name for name in container.told() if name.startswith("APP_")] == []
    for part in (*WRONG, "starts without the exporter", "its log grows"):
        assert part in container.text


@pytest.mark.parametrize("required", ["true", "True"])
async def test_wrong_configuration_where_it_is_required(container, required):
    """If the exporter is required, mistakes are an error, and no broker starts."""
    container.begin(**WRONG, APP_INTEGRATIONS_REQUIRED=required)

    assert await container.ended() == 2
    assert not (container.path / "pid").exists()
    assert "starts without" not in container.text


async def test_terminal(container):
    """Ctrl-C reaches the broker once, and the exporter never."""
    keyboard, terminal = pty.openpty()
    container.begin(terminal=terminal)
    await container.broker()
    (exporter,) = container.exporters()

    os.write(keyboard, b"\x03")
    await eventually(container.said)
    container.signal(signal.SIGQUIT)  # comes behind whatever was passed on
    await eventually(lambda: "QUIT" in container.said())

    assert container.said() == ["INT", "QUIT"]
    assert exporter.is_running()
    assert "stopping" not in container.messages
    os.close(keyboard)
    os.close(terminal)
