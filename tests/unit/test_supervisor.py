"""
The supervisor runs a broker and an exporter, and never stands in the broker's way.

Both are shells here, and a test moves the supervisor's clock.
"""

import os
import pty
import signal
import subprocess
import sys
import time

import psutil
import pytest

from devkit.processes import Process
from devkit.waiting import eventually
from exporter.bundle.supervisor import READY_SECONDS, STOP_SECONDS

RUN = """
import fcntl, os, signal, sys, termios, time
from pathlib import Path
from exporter import logs
from exporter.bundle import supervisor
from exporter.bundle.supervisor import Program, Supervisor
supervisor.STOP_SECONDS, supervisor.RESTART_SECONDS = {stop_seconds}, 0.1
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
logs.configure("INFO", "json")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as a parent may leave it
clock = Path("clock")
def is_ready():
    Path("asked").touch()
    return Path("ready").exists()
sys.exit(
    Supervisor(
        Program({broker!r}, os.environ),
        Program({exporter!r}, os.environ),
        is_ready=is_ready,
        clock=lambda: float(clock.read_text()) if clock.exists() else time.monotonic(),
    ).run()
)
"""

# It writes its process id and the signals it gets, and ends with status 7 on TERM.
BROKER = """
trap 'echo TERM >> broker; while [ -e slow ]; do sleep 0.02; done; exit 7' TERM
trap 'echo INT >> broker' INT
trap 'echo QUIT >> broker' QUIT
echo $$ > broker
while :; do sleep 0.02; done
"""
# It delivers for ever after TERM if the file `stuck` exists.
EXPORTER = """
trap 'echo TERM >> exporter; while [ -e stuck ]; do sleep 0.02; done; exit 0' TERM
trap 'echo INT >> exporter' INT
echo $$ > exporter
touch ready
while :; do sleep 0.02; done
"""
DIED = "exporter died: it is restarted, and the broker keeps its records"
KILLED = "exporter still draining: killed, the rest is on disk"


class Container(Process):
    """A supervisor with the shells; the files of both are in `path`."""

    def __init__(self, path):
        """Start nothing yet."""
        super().__init__([], log=path / "log", cwd=path)
        self.path = path

    def begin(
        self,
        *,
        broker=BROKER,
        exporter=EXPORTER,
        stop_seconds=STOP_SECONDS,
        terminal=subprocess.DEVNULL,
    ):
        """Start two scripts for a shell, or commands, which are lists."""
        shell = ["/bin/sh", "-c"]
        run = RUN.format(
            broker=broker if isinstance(broker, list) else [*shell, broker],
            exporter=exporter if isinstance(exporter, list) else [*shell, exporter],
            stop_seconds=stop_seconds,
        )
        self._command = [sys.executable, "-c", run]
        self.spawn(stdin=terminal)

    async def pid_of(self, name):
        """Return the process id of the broker or exporter, once it runs."""
        return int(await eventually(lambda: self.said(name)[:1] and self.said(name)[0]))

    def said(self, name):
        """Return the process id and the signals of the broker or exporter."""
        file = self.path / name
        return file.read_text().split() if file.exists() else []

    def set_clock(self, seconds):
        """Let the supervisor's clock show *seconds* until it is set again."""
        new = self.path / "clock.new"
        new.write_text(f"{seconds}", encoding="ascii")
        new.replace(self.path / "clock")


@pytest.fixture
def container(tmp_path):
    """Return a container that isn't started yet."""
    container = Container(tmp_path)
    yield container
    container.kill()


async def test_order(container):
    """The exporter starts first and ends last, and other signals get past it."""
    container.begin()
    await container.pid_of("broker")
    for name in ("QUIT", "INT"):
        container.signal(signal.Signals[f"SIG{name}"])
        await eventually(lambda: container.said("broker")[-1] == name)  # noqa: B023
    assert len(container.said("exporter")) == 1

    container.signal(signal.SIGTERM)

    assert await container.ended() == 7
    assert container.said("broker")[1:] == ["QUIT", "INT", "TERM"]
    assert container.said("exporter")[1:] == ["TERM"]
    messages = [line["message"] for line in container.lines]
    assert messages == ["broker ended", "exporter ended"]


async def test_restart(container):
    """An exporter that dies is restarted after a pause, and the broker runs on."""
    container.begin()
    broker = await container.pid_of("broker")
    container.set_clock(0)
    exporter = await container.pid_of("exporter")
    psutil.Process(exporter).kill()
    await eventually(lambda: container.saying(DIED))
    assert container.said("exporter") == [str(exporter)]
    container.set_clock(0.1)
    await eventually(lambda: container.said("exporter") != [str(exporter)])

    assert [line["reason"] for line in container.saying(DIED)] == ["killed by 9"]
    assert container.said("broker") == [str(broker)]


@pytest.mark.parametrize(
    "end, dies", [("exit 1", "exporter died: it is restarted"), ("exec sleep 60", "")]
)
async def test_exporter_that_never_starts(container, end, dies):
    """If the exporter isn't ready in time, the broker starts anyway."""
    container.set_clock(0)
    container.begin(exporter=f"echo $$ >> exporter; {end}")
    await eventually((container.path / "asked").exists)
    await eventually(lambda: dies in container.text)
    assert not container.said("broker")

    container.set_clock(READY_SECONDS + 1)

    await container.pid_of("broker")
    assert "exporter not ready: the broker starts all the same" in container.text
    await eventually(lambda: len(container.said("exporter")) == 1 + bool(dies))
    container.signal(signal.SIGTERM)
    assert await container.ended() == 7


async def test_exporter_that_does_not_exist(container):
    """A command that can't be started is tried again until the container ends."""
    container.begin(exporter=["no-such-command"])
    await eventually(lambda: container.text.count("exporter died") > 1)

    container.signal(signal.SIGTERM)

    assert await container.ended() == 128 + signal.SIGTERM


async def test_stopped_before_the_broker(container):
    """A signal while waiting for the exporter ends it without a broker."""
    container.begin(exporter="trap 'exit 0' TERM; echo $$ > exporter; sleep 60 & wait")
    await container.pid_of("exporter")

    container.signal(signal.SIGTERM)

    assert await container.ended() == 128 + signal.SIGTERM
    assert container.said("broker") == []


@pytest.mark.parametrize(
    "broker, status",
    [
        ("exit 3", 3),
        ("kill -KILL $$", 137),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
    ],
)
async def test_status(container, broker, status):
    """The exit status is that of the broker, as in a shell."""
    container.begin(broker=broker)

    assert await container.ended() == status
    assert ("command can't be started" in container.text) == (status in (126, 127))


async def test_signals_of_the_broker(container):
    """The broker starts with no signal blocked or ignored."""
    container.begin(broker="grep -E 'Sig(Blk|Ign)' /proc/self/status >&2")

    assert await container.ended() == 0
    blocked, ignored = (
        int(line.split()[1], 16)
        for line in container.text.splitlines()
        if line.startswith("Sig")
    )
    # glibc ignores two of its own, 32 and 33, in all processes that it starts.
    assert (blocked, ignored & 0x7FFFFFFF) == (0, 0)


@pytest.mark.parametrize("pause", [False, True])
async def test_drain_too_long(container, pause):
    """An exporter that doesn't end in time is killed, even if it was all paused."""
    (container.path / "stuck").touch()
    container.begin(stop_seconds=0.3)
    await container.pid_of("broker")
    container.signal(signal.SIGTERM)
    await eventually(lambda: "TERM" in container.said("exporter"))
    if pause:
        container.signal(signal.SIGSTOP)
        over = time.monotonic() + 0.4
        await eventually(lambda: time.monotonic() > over)
        container.signal(signal.SIGCONT)

    assert await container.ended() == 7
    assert KILLED in container.text


async def test_slow_broker(container):
    """Broker and drain share the time since the signal."""
    for name in ("slow", "stuck"):
        (container.path / name).touch()
    container.set_clock(0)
    container.begin()
    await container.pid_of("broker")
    container.signal(signal.SIGTERM)
    await eventually(lambda: "TERM" in container.said("broker"))

    container.set_clock(STOP_SECONDS - 0.1)
    (container.path / "slow").unlink()
    await eventually(lambda: "TERM" in container.said("exporter"))
    assert KILLED not in container.text
    container.set_clock(STOP_SECONDS)

    assert await container.ended() == 7
    assert KILLED in container.text


async def test_survived_signal(container):
    """A signal that the broker survived doesn't shorten a later drain."""
    (container.path / "stuck").touch()
    container.set_clock(0)
    container.begin()
    broker = await container.pid_of("broker")
    container.signal(signal.SIGINT)
    await eventually(lambda: "INT" in container.said("broker"))
    container.set_clock(STOP_SECONDS + 1)

    psutil.Process(broker).kill()
    await eventually(lambda: "TERM" in container.said("exporter"))
    (container.path / "stuck").unlink()

    assert await container.ended() == 137
    assert KILLED not in container.text


async def test_terminal(container):
    """Ctrl-C reaches the broker once, and the exporter never."""
    keyboard, terminal = pty.openpty()
    container.begin(terminal=terminal)
    await container.pid_of("broker")

    os.write(keyboard, b"\x03")
    await eventually(lambda: "INT" in container.said("broker"))
    container.signal(signal.SIGQUIT)  # comes after all signals that were passed on
    await eventually(lambda: "QUIT" in container.said("broker"))

    assert container.said("broker")[1:] == ["INT", "QUIT"]
    assert len(container.said("exporter")) == 1
    os.close(keyboard)
    os.close(terminal)
