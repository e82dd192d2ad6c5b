"""The exporter as a process of its own, with the command that users run."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import eventually


class Process:
    """A started `app-integrations-exporter run`, and what it wrote to stderr."""

    def __init__(self, log: Path, options, variables):
        """Start it with *options* and *variables*, whose names need no prefix."""
        named = {f"APP_INTEGRATIONS_{name}": text for name, text in variables.items()}
        self._log = log
        with log.open("wb") as stderr:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "exporter", "run", *options],
                env=os.environ | named,
                stdout=stderr,
                stderr=stderr,
            )
        self.pid = self._popen.pid
        self.signal = self._popen.send_signal

    @property
    def text(self):
        """All that was written so far."""
        return self._log.read_text()

    @property
    def lines(self):
        """The whole lines of the log, decoded."""
        whole = self.text.rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line[:1] == "{"]

    def saying(self, message):
        """Return the lines with *message*, oldest first."""
        return [line for line in self.lines if line["message"] == message]

    async def ready(self):
        """Return the line that names the ports, as soon as it serves them."""
        await eventually(
            lambda: self.saying("ready") or self._popen.poll() is not None, within=20
        )
        (line,) = self.saying("ready")
        return line

    async def ended(self):
        """Return the exit status, once there is one."""
        await eventually(lambda: self._popen.poll() is not None, within=20)
        return self._popen.returncode

    def end(self):
        """Leave nothing behind."""
        self._popen.kill()
        self._popen.wait()


async def send(client, address, body):
    """Send a bulk request to the ingest port at *address*; return the status."""
    async with client.post(f"http://{address}/_bulk", data=body) as response:
        await response.read()
        return response.status


@contextlib.contextmanager
def processes(directory):
    """Yield a function that starts exporters, all of which end with the block."""
    started = []

    def begin(*options, **variables):
        log = directory / f"log-{len(started)}"
        started.append(Process(log, options, variables))
        return started[-1]

    try:
        yield begin
    finally:
        for process in started:
            process.end()
