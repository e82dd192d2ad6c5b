"""The entrypoint as a process, with a shell as the broker."""

import os
import subprocess
import sys

import psutil

from devkit.processes import LOOPBACK, Process, free_port
from devkit.waiting import eventually

# The bounds of the supervisor are half a minute: tests shorten them or set its clock.
RUN = """
import fcntl, sys, termios
from pathlib import Path
from types import SimpleNamespace
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if {bare!r}:
    import os, signal
    sys.stdin = sys.stdout = sys.stderr = None
    os.closerange(0, 3)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from exporter.bundle import entrypoint, supervisor
for name, value in {bounds!r}.items():
    setattr(supervisor, name, value)
if (clock := Path("clock")).exists():
    entrypoint.time = SimpleNamespace(monotonic=lambda: float(clock.read_text()))
sys.exit(entrypoint.main())
"""

# A broker that writes its environment, its process id, and the signals it gets.
BROKER = """
trap 'echo TERM >> said; exit 7' TERM
trap 'echo INT >> said' INT
trap 'echo QUIT >> said' QUIT
env > environment
echo $$ > pid.new
mv pid.new pid
while :; do sleep 0.05; done
"""


class Container(Process):
    """A container, with the necessary part of a distribution."""

    def __init__(self, path, backend_url):
        """Create the distribution in *path*."""
        self.path = path
        (path / "home" / "lib").mkdir(parents=True)
        (path / "home" / "lib" / "zeebe-broker-8.6.0.jar").touch()
        self.ingest_port = free_port()
        self.ingest_url = f"http://{LOOPBACK}:{self.ingest_port}"
        self._variables = {
            **os.environ,
            "CAMUNDA_HOME": str(path / "home"),
            "APP_INTEGRATIONS_URL": backend_url,
            "APP_INTEGRATIONS_INGEST_PORT": str(self.ingest_port),
            "APP_INTEGRATIONS_ADMIN_PORT": str(free_port()),
        }
        super().__init__([], log=path / "log", cwd=path)

    def begin(
        self,
        *command,
        bounds=None,
        terminal=subprocess.DEVNULL,
        stderr=None,
        bare=False,
        **variables,
    ):
        """Start the entrypoint with *command* or else the broker."""
        bounds = {"READY_SECONDS": 60.0} | (bounds or {})
        run = RUN.format(bounds=bounds, bare=bare)
        command = command or ("/bin/sh", "-c", BROKER)
        self._command = [sys.executable, "-c", run, *command]
        self._environment = self._variables | variables
        self.spawn(stdin=terminal, stderr=stderr)

    def set_clock(self, seconds):
        """Set the supervisor's clock, which then stands still."""
        new = self.path / "clock.new"
        new.write_text(f"{seconds}", encoding="ascii")
        new.replace(self.path / "clock")

    async def broker(self):
        """Return the process id of the broker as soon as it runs."""
        pid = self.path / "pid"
        await eventually(lambda: pid.exists() or self.status is not None)
        return int(pid.read_text())

    def told(self):
        """Return the broker's environment."""
        lines = (self.path / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def said(self):
        """Return the signals that the broker got."""
        said = self.path / "said"
        return said.read_text().split() if said.exists() else []

    @property
    def messages(self):
        """The messages in the log, oldest first."""
        return [line["message"] for line in self.lines]

    def exporters(self):
        """Return the processes of the exporter: one or none."""
        children = psutil.Process(self.pid).children()
        return [each for each in children if each.cmdline()[-2:] == ["exporter", "run"]]
