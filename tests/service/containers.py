"""The entrypoint as a process, beside a broker that is a shell."""

import json
import os
import signal
import subprocess
import sys

import psutil

from exporter.demo.ports import free_port
from tests.conftest import eventually

# The bounds of the supervisor are half a minute; a test says which it needs shorter.
RUN = """
import fcntl, sys, termios
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if {bare!r}:
    import os, signal
    sys.stdin = sys.stdout = sys.stderr = None
    os.closerange(0, 3)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from exporter.distribution import entrypoint, supervisor
for name, value in {bounds!r}.items():
    setattr(supervisor, name, value)
sys.exit(entrypoint.main())
"""

# A broker that says what it was told, who it is, and which signals it gets.
BROKER = """
trap 'echo TERM >> said; exit 7' TERM
trap 'echo INT >> said' INT
trap 'echo QUIT >> said' QUIT
env > environment
echo $$ > pid.new
mv pid.new pid
while :; do sleep 0.05; done
"""


class Container:
    """What would be a container, with as much of a distribution as it needs."""

    def __init__(self, path, backend_url):
        """Lay everything out in *path*."""
        self.path = path
        (path / "home" / "lib").mkdir(parents=True)
        (path / "home" / "lib" / "zeebe-broker-8.6.0.jar").touch()
        self.ingest = f"127.0.0.1:{free_port()}"
        self.admin = f"127.0.0.1:{free_port()}"
        self._variables = {
            "CAMUNDA_HOME": str(path / "home"),
            "APP_INTEGRATIONS_URL": backend_url,
            "APP_INTEGRATIONS_INGEST_PORT": self.ingest.partition(":")[2],
            "APP_INTEGRATIONS_ADMIN_PORT": self.admin.partition(":")[2],
        }
        self._popen = None

    def start(self, *command, bounds=None, terminal=None, bare=False, **variables):
        """Start *command*, else the broker, behind the entrypoint."""
        run = RUN.format(bounds=bounds or {}, bare=bare)
        command = command or ("/bin/sh", "-c", BROKER)
        with (self.path / "log").open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", run, *command],
                cwd=self.path,
                env=os.environ | self._variables | variables,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.signal = self._popen.send_signal

    async def broker(self):
        """Return the process id of the broker, once it runs."""
        pid = self.path / "pid"
        await eventually(lambda: pid.exists() or self._status is not None, within=20)
        return int(pid.read_text())

    async def ended(self):
        """Return the exit status, once there is one."""
        await eventually(lambda: self._status is not None, within=20)
        return self._status

    def told(self):
        """Return the broker's environment."""
        lines = (self.path / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def said(self):
        """Return the signals that the broker got."""
        said = self.path / "said"
        return said.read_text().split() if said.exists() else []

    @property
    def text(self):
        """All that was written so far."""
        return (self.path / "log").read_text()

    @property
    def messages(self):
        """What was logged, in order."""
        whole = self.text.rpartition("\n")[0].splitlines()
        return [json.loads(line)["message"] for line in whole if line[:1] == "{"]

    def exporters(self):
        """Return the exporter's own processes: one, or none."""
        children = psutil.Process(self.pid).children()
        return [each for each in children if each.cmdline()[-2:] == ["exporter", "run"]]

    @property
    def _status(self):
        return self._popen.poll()

    def end(self):
        """Leave nothing behind, also when the entrypoint doesn't do its part."""
        if self._popen is None:
            return
        process = psutil.Process(self.pid) if self._status is None else None
        children = process.children(recursive=True) if process else []
        self._popen.kill()
        self._popen.wait()
        for child in children:
            if child.is_running():
                child.send_signal(signal.SIGKILL)
