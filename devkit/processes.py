"""
Run processes in the background, such as the exporter, each with a log file.

Each process has its own session, so Ctrl-C reaches only the starter. Every process
first reports to a guardian, which kills it when the starter ends, even if by a kill.
"""

import atexit
import functools
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

from devkit import guardian, metrics
from devkit.waiting import eventually

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).parents[1]
START_SECONDS = STOP_SECONDS = 30.0
TAIL_LINES = 15
PREFIX = "APP_INTEGRATIONS_"

# Below the ports of outgoing connections: while a server is down, no client socket may
# take its port.
PORTS = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))
MOST_HELD = 100
HELD: deque[socket.socket] = deque()
"""Sockets that reserve the newest ports until a server listens there."""

# Standard output is the guardian's pipe until the command starts, then the log.
REPORTING = ["/bin/sh", "-c", 'echo "+$$" && exec "$@" >&2', "sh"]


class StartError(Exception):
    """A process ended early, or wasn't ready in time."""


class Process:
    """A command that can be started repeatedly; `async with` kills it at the end."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] = os.environ,
        cwd: Path = ROOT,
    ) -> None:
        """Prepare *command*; all its runs append their output to *log*."""
        self.log = log
        self._command, self._environment, self._cwd = command, environment, cwd
        self._popen: subprocess.Popen[bytes] | None = None
        self._begins = 0
        self._running = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id of the last run."""
        return self._popen.pid if self._popen else 0

    @property
    def status(self) -> int | None:
        """The exit status of the last run; None while it runs and before the first."""
        return self._popen.poll() if self._popen else None

    @property
    def text(self) -> str:
        """The output of the last run so far."""
        whole = self.log.read_bytes() if self.log.exists() else b""
        return whole[self._begins :].decode(errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of JSON in the output of the last run."""
        whole = self.text.rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in whole if line.startswith("{")]

    def saying(self, message: str) -> list[dict[str, Any]]:
        """Return the log lines with *message*, oldest first."""
        return [line for line in self.lines if line.get("message") == message]

    def spawn(
        self, *, stdin: int = subprocess.DEVNULL, stderr: int | None = None
    ) -> None:
        """Start without waiting; *stderr* replaces the log for this run."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._begins = log.tell()
            self._popen = subprocess.Popen(
                [*REPORTING, *self._command],
                stdin=stdin,
                stdout=_guardian(),
                stderr=log if stderr is None else stderr,
                env=self._environment,
                cwd=self._cwd,
                start_new_session=True,
            )
        self._running = True

    async def start(self, ready: str, *, within: float = START_SECONDS) -> None:
        """Start, and wait until the URL *ready* answers 200."""
        self.spawn()
        await self.ready(ready, within=within)

    async def ready(self, url: str, *, within: float = START_SECONDS) -> None:
        """Wait until *url* answers 200; raise if the process isn't ready in time."""
        # The limit also holds for a server that accepts and never answers.
        timeout = aiohttp.ClientTimeout(total=within)

        async def answers() -> bool:
            if self.status is not None:
                raise self._failed(f"ended with status {self.status}")
            with suppress(aiohttp.ClientError, TimeoutError):
                async with aiohttp.request("GET", url, timeout=timeout) as answer:
                    return answer.status == 200
            return False

        try:
            await eventually(answers, within=within)
        except AssertionError:
            raise self._failed(f"wasn't ready after {within:g} seconds") from None

    def signal(self, number: int) -> None:
        """Send a signal to the process, not to its children."""
        if self._popen:
            self._popen.send_signal(number)

    async def ended(self, *, within: float = STOP_SECONDS) -> int | None:
        """Wait for the end and return the exit status."""
        await eventually(lambda: self.status is not None, within=within)
        return self.status

    async def stop(self, *, within: float = STOP_SECONDS) -> int | None:
        """Send SIGTERM and return the exit status; kill after *within* seconds."""
        self.signal(signal.SIGTERM)
        try:
            return await self.ended(within=within)
        except AssertionError:
            return None
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process and its children, if they still run."""
        if self._running and self._popen:
            guardian.kill_sessions({self.pid})
            self._popen.wait()
            os.write(_guardian(), b"-%d\n" % self.pid)
            self._running = False

    def _failed(self, problem: str) -> StartError:
        tail = "\n".join(self.text.splitlines()[-TAIL_LINES:])
        return StartError(f"{' '.join(self._command)} {problem}. Its log ends:\n{tail}")


class Exporter(Process):
    """The process `python -m exporter run`."""

    def __init__(
        self,
        directory: Path,
        url: str,
        *options: str,
        source: Path = ROOT,
        **settings: object,
    ) -> None:
        """
        Keep spool and log in *directory*; *settings* are without APP_INTEGRATIONS_.

        Run the package in *source*, and ignore settings of the caller's shell.
        """
        self.ingest_port, self.admin_port = free_port(), free_port()
        self.ingest_url = f"http://{LOOPBACK}:{self.ingest_port}"
        self.admin_url = f"http://{LOOPBACK}:{self.admin_port}"
        values = {
            "URL": url,
            "SPOOL_DIR": directory / "spool",
            "INGEST_PORT": self.ingest_port,
            "ADMIN_PORT": self.admin_port,
            **settings,
        }
        inherited = {x: os.environ[x] for x in os.environ if not x.startswith(PREFIX)}
        ours = {f"{PREFIX}{name}": str(value) for name, value in values.items()}
        super().__init__(
            [sys.executable, "-m", "exporter", "run", *options],
            log=directory / "exporter.log",
            environment=inherited | ours | {"PYTHONPATH": str(source)},
            cwd=source,
        )

    async def run(self) -> None:
        """Start, and wait until records are accepted."""
        await self.start(f"{self.admin_url}/readyz")

    async def metrics(self) -> dict[str, float]:
        """Return the metrics from `devkit.metrics.scrape`, or {} without a process."""
        with suppress(aiohttp.ClientError):
            return await metrics.scrape(self.admin_url)
        return {}


def free_port() -> int:
    """Reserve a free port; a server can still listen there."""
    while True:
        probe = socket.socket()
        try:
            probe.bind((LOOPBACK, next(PORTS)))
        except OSError:
            probe.close()
            continue
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        HELD.append(probe)
        if len(HELD) > MOST_HELD:
            HELD.popleft().close()
        return int(probe.getsockname()[1])


@functools.cache
def _guardian() -> int:
    """Return the pipe to the guardian, which the first call starts."""
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", guardian.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(started.communicate)  # closes the pipe, and waits
    assert started.stdin  # noqa: S101 - it's a pipe
    return started.stdin.fileno()
