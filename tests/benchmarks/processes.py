"""
The processes of a measurement: the exporter and our servers.

They end with their `async with` block, or with this process.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from devkit import processes
from devkit.processes import LOOPBACK, Process, free_port
from exporter.events import EVERYTHING

ARRIVE_SECONDS = 300.0
MIB = 1024 * 1024

SELECT_EVERYTHING = "BENCHMARK_EVERYTHING"
"""If this variable is set, all parts select every event."""


def selected() -> dict[str, str]:
    """Return the setting for every event, if --everything is set."""
    return {"EVENTS": EVERYTHING} if os.environ.get(SELECT_EVERYTHING) else {}


def cpu_seconds(process: Process) -> float:
    """Return the processor time of *process* so far."""
    return sum(psutil.Process(process.pid).cpu_times()[:2])


class Exporter(processes.Exporter):
    """`python -m exporter run`; waiting events stay in the spool at the end."""

    def __init__(self, directory: Path, url: str, **settings: object) -> None:
        super().__init__(directory, url, **{**selected(), **settings})

    @property
    def cpu_seconds(self) -> float:
        """The processor time of the process so far."""
        return cpu_seconds(self)

    @property
    def peak_mib(self) -> float:
        """The largest resident size of the process so far."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


class Server(Process):
    """A module that serves the port in its first argument."""

    def __init__(self, directory: Path, module: str, *arguments: str) -> None:
        self.port = free_port()
        super().__init__(
            [sys.executable, "-m", module, f"{self.port}", *arguments],
            log=directory / f"{module}-{self.port}.log",
        )

    async def __aenter__(self) -> Self:
        await self.start(f"http://{LOOPBACK}:{self.port}/")
        return self

    def ask(self, path: str, *, seconds: float = 5.0) -> dict[str, float]:
        """Return the JSON at *path*; wait at most *seconds*."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=seconds)
        with contextlib.closing(connection):
            connection.request("GET", path)
            found: dict[str, float] = json.loads(connection.getresponse().read())
            return found


class Seen(NamedTuple):
    """Events, and monotonic times of the first request and the last answer."""

    events: float
    repeats: float
    first: float
    last: float


class Receiver(Server):
    """A backend that accepts each request after *latency* seconds."""

    def __init__(self, directory: Path, latency: float = 0.0) -> None:
        super().__init__(directory, "tests.benchmarks.backend", f"{latency}")
        self.url = f"http://{LOOPBACK}:{self.port}/events"

    def seen(self, at_least: float = 0) -> Seen:
        """Wait for *at_least* this many events; return counts and times."""
        return Seen(**self.ask(f"/{at_least:.0f}", seconds=ARRIVE_SECONDS))

    def complete(self, number: int) -> Seen:
        """Wait for exactly *number* events without repeats."""
        seen = self.seen(number)
        if (seen.events, seen.repeats) != (number, 0):
            raise RuntimeError(f"{number} events became {seen}")
        return seen


@asynccontextmanager
async def delivering(
    directory: Path | None = None, latency: float = 0.0, **settings: object
) -> AsyncIterator[tuple[Exporter, Receiver]]:
    """Run an exporter with its spool in *directory*, and its backend."""
    with tempfile.TemporaryDirectory() as name:
        async with (
            Receiver(Path(name), latency) as receiver,
            Exporter(directory or Path(name), receiver.url, **settings) as exporter,
        ):
            await exporter.run()
            yield exporter, receiver


def nowhere() -> str:
    """Return the URL of a backend that doesn't listen."""
    return f"http://{LOOPBACK}:{free_port()}/events"


@contextmanager
def one_core() -> Iterator[None]:
    """Pin processes started in the block to one core, and this one to the others."""
    cores = os.sched_getaffinity(0)
    first = min(cores)
    os.sched_setaffinity(0, {first})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores - {first} or cores)
