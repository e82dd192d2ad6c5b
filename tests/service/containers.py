"""The entrypoint as a process, with a shell as the broker."""

import os
import subprocess
import sys

import psutil

from devkit.processes import LOOPBACK, Process, free_port
from devkit.waiting import eventually

# With `early`, TERM arrives while the entrypoint is imported. With `bare`, the standard
# streams are closed.
RUN = """
import os, signal, sys
class Early:
    def find_spec(self, name, *_):
        if name == "exporter.bundle.entrypoint" and {early!r}:
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Early())
if {bare!r}:
    sys.stdin = sys.stdout = sys.stderr = None
    os.closerange(0, 3)
from exporter.bundle import main
sys.exit(main())
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

    def begin(self, *command, stderr=None, bare=False, early=False, **variables):
        """Start *command*, or else the broker, with the entrypoint."""
        run = RUN.format(bare=bare, early=early)
        command = command or ("/bin/sh", "-c", BROKER)
        self._command = [sys.executable, "-c", run, *command]
        self._environment = self._variables | variables
        self.spawn(stdin=subprocess.DEVNULL, stderr=stderr)

    async def broker(self):
        """Return the process id of the broker as soon as it runs."""
        pid = self.path / "pid"
        await eventually(lambda: pid.exists() or self.status is not None)
        return int(pid.read_text())

    def environment(self):
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
