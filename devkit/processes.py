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
HELD: deque[int] = deque()
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
        """Return this process without starting it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill the process."""
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
        async with aiohttp.ClientSession(timeout=timeout) as session:

            async def answers() -> bool:
                if self.status is not None:
                    raise self._failed(f"ended with status {self.status}")
                try:
                    async with session.get(url) as answer:
                        return answer.status == 200
                except (aiohttp.ClientError, TimeoutError):
                    return False

            try:
                await eventually(answers, within=within)
            except AssertionError:
                raise self._failed(f"wasn't ready after {within:g} seconds") from None
            except BaseException:
                self.kill()
                raise

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
            return await self.ended(within=within) if self._popen else None
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
        self.kill()
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
        ingest_port: int = 0,
        admin_port: int = 0,
        **settings: object,
    ) -> None:
        """
        Keep spool and log in *directory*; *settings* are without APP_INTEGRATIONS_.

        Run the package in *source*, and ignore settings of the caller's shell.
        """
        self.ingest_port = ingest_port or free_port()
        self.admin_port = admin_port or free_port()
        self.ingest_url = f"http://{LOOPBACK}:{self.ingest_port}"
        self.admin_url = f"http://{LOOPBACK}:{self.admin_port}"
        values = {"URL": url, "SPOOL_DIR": directory / "spool"}
        values |= {"INGEST_PORT": self.ingest_port, "ADMIN_PORT": self.admin_port}
        values |= settings
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
        try:
            return await metrics.scrape(self.admin_url)
        except aiohttp.ClientError:
            return {}


def free_port(preferred: int = 0) -> int:
    """Return *preferred* if the port is free, else a random one."""
    if preferred and _bound(preferred, reuse=True):
        return preferred
    while not _bound(port := next(PORTS), reuse=False):
        pass
    return port


def _bound(port: int, *, reuse: bool) -> bool:
    """Reserve *port* and return True if it is free; a server can still listen there."""
    probe = socket.socket()
    # Like a server, the probe may bind while an old connection lingers.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        probe.close()
        return False
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    HELD.append(probe.detach())
    if len(HELD) > MOST_HELD:
        os.close(HELD.popleft())
    return True


@functools.cache
def _guardian() -> int:
    """Return the pipe to the guardian, which the first call starts."""
    read, write = os.pipe()
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", guardian.__file__],
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read)

    def end() -> None:
        os.close(write)
        started.wait()

    atexit.register(end)
    return write
