"""
The processes of a measurement: the exporter as its users run it, and the stub backend.

Both end with their block, however that ends.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import psutil

from exporter.demo.ports import free_port
from exporter.events import EVERYTHING
from tests.benchmarks.wire import LOOPBACK

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 30.0
ARRIVE_SECONDS = 300.0
POLL_SECONDS = 0.002
MIB = 1024 * 1024

SELECT_EVERYTHING = "BENCHMARK_EVERYTHING"
"""The variable that tells the parts so."""

CAN_PIN = hasattr(os, "sched_setaffinity")


def selected() -> dict[str, str]:
    """Return what says that everything is selected, where that was asked for."""
    return {"EVENTS": EVERYTHING} if os.environ.get(SELECT_EVERYTHING) else {}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it started."""

    cpu_seconds: float
    peak_mib: float
    """Its largest resident size, or the current one where the system keeps no peak."""


class Exporter:
    """`python -m exporter run`, started and ended as often as one likes."""

    def __init__(self, directory: Path, url: str, **settings: object) -> None:
        """Keep spool and log in *directory*; deliver to *url* unless it is empty."""
        self.ingest_port, self.admin_port = free_port(), free_port()
        directory.mkdir(exist_ok=True)
        self._log = directory / "exporter.log"
        values = {
            **({"URL": url} if url else {}),
            "SPOOL_DIR": directory / "spool",
            "INGEST_PORT": self.ingest_port,
            "ADMIN_PORT": self.admin_port,
            **selected(),
            **settings,
        }
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("APP_INTEGRATIONS_")
        } | {f"APP_INTEGRATIONS_{name}": str(value) for name, value in values.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.seconds_to_start = 0.0
        """From its start, the last time, until it accepted records."""

    @contextmanager
    def running(self, *, on_one_core: bool = False) -> Iterator["Exporter"]:
        """Run it during the block; what it still holds behind it stays in the spool."""
        with one_core() if on_one_core else nullcontext():
            self.start()
        try:
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        """Return once it accepts records."""
        started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exporter", "run"],
                cwd=ROOT,
                env=self._environment,
                stderr=log,
            )
        while not self._ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"the exporter ended:\n{self._log.read_text()}")
            if time.monotonic() > started + START_SECONDS:
                raise TimeoutError("the exporter doesn't become ready")
            time.sleep(POLL_SECONDS)
        self.seconds_to_start = time.monotonic() - started

    def stop(self) -> None:
        """Ask it to end, and return when it has."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it at once. Harmless when it has ended."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def usage(self) -> Usage:
        """What the process has used so far."""
        assert self._process
        process = psutil.Process(self._process.pid)
        times = process.cpu_times()
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        except (OSError, IndexError):
            peak = process.memory_info().rss
        return Usage(times.user + times.system, peak / MIB)

    @property
    def bulks(self) -> tuple[int, float]:
        """How many bulk requests it has answered, and the seconds it took for all."""
        metrics = asked(self.admin_port, "/metrics")[1].decode()
        count, total = (
            re.search(rf"ingest_bulk_duration_seconds_{what} (\S+)", metrics)
            for what in ("count", "sum")
        )
        assert count
        assert total
        return int(float(count[1])), float(total[1])

    def _ready(self) -> bool:
        try:
            return asked(self.admin_port, "/readyz")[0] == HTTPStatus.OK
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a backend has got."""

    events: int
    repeats: int
    first: float
    """When the first request came; seconds of the monotonic clock."""
    last: float
    """When the last one was answered."""


class Backend:
    """The stub backend, from outside."""

    def __init__(self, port: int) -> None:
        """Ask at *port*."""
        self._port = port
        self.url = f"http://{LOOPBACK}:{port}/events"

    def seen(self, at_least: int = 0) -> Seen:
        """Return what arrived, once that's *at_least* so many events."""
        path = f"/seen?events={at_least}"
        _, body = asked(self._port, path, seconds=ARRIVE_SECONDS)
        return Seen(**json.loads(body))


@contextmanager
def backend(latency: float = 0.0) -> Iterator[Backend]:
    """Run a backend that accepts each request after *latency* seconds."""
    with serving("tests.benchmarks.backend", str(latency)) as port:
        yield Backend(port)


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[int]:
    """Run *module*, whose first line of output is its port, and yield that."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def asked(port: int, path: str, *, seconds: float = 5.0) -> tuple[int, bytes]:
    """Return status and body of what *port* answers to GET *path*."""
    connection = HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def nowhere() -> str:
    """Return the URL of a backend that isn't there."""
    return f"http://{LOOPBACK}:{free_port()}/events"


@contextmanager
def one_core() -> Iterator[None]:
    """Let processes started in the block have one core, and this one the others."""
    if not CAN_PIN:
        yield
        return
    cores = os.sched_getaffinity(0)
    first = min(cores)
    os.sched_setaffinity(0, {first})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores - {first} or cores)
