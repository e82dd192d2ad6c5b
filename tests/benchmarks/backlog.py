"""What a million waiting events change: memory, opening, and the rates."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from exporter.events import ONLY_BACKEND
from exporter.spool import open_spool
from tests.benchmarks import records
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import MIB, Backend, Exporter, backend, nowhere
from tests.benchmarks.throughput import PER_REQUEST
from tests.benchmarks.wire import Connection, request

EVENTS, QUICK_EVENTS = 1_000_000, 100_000
SAMPLE, QUICK_SAMPLE = 40_000, 20_000
TURNS, QUICK_TURNS = 3, 1
LIMIT = 4 * 1024 * MIB


def measure(*, quick: bool) -> list[Figure]:
    """Do the same with a full and an empty spool, in turns, for machines have moods."""
    events = QUICK_EVENTS if quick else EVENTS
    turns = range(QUICK_TURNS if quick else TURNS)
    with tempfile.TemporaryDirectory() as name:
        feed = _Feed(QUICK_SAMPLE if quick else SAMPLE)
        full, empty = Path(name) / "full", Path(name) / "empty"
        with (
            _exporter(full, nowhere()).running() as filled,
            _exporter(empty, nowhere()).running() as other,
        ):
            while feed.sent < events:
                feed.send(filled)
            taking_in = [feed.send(filled) / feed.send(other) for _ in turns]
            filling = filled.usage
        size = sum(file.stat().st_size for file in full.rglob("*"))
        opening = asyncio.run(_opening(full / "spool"))
        with (
            backend() as receiver,
            _exporter(full, receiver.url).running() as drained,
        ):
            draining = feed.arrive(receiver)
            emptying = drained.usage
        both = [
            feed.send_and_arrive(full) / feed.send_and_arrive(Path(name) / f"{turn}")
            for turn in turns
        ]
    return [
        Figure(
            name=f"{events:,} waiting: resident, filling",
            value=filling.peak_mib,
            unit="MiB",
            at_most=120,
        ),
        Figure(
            name="... resident, draining",
            value=emptying.peak_mib,
            unit="MiB",
            at_most=120,
        ),
        Figure(name="... opening after a kill", value=opening, unit="s", at_most=1),
        Figure(
            name="... process start until ready",
            value=drained.seconds_to_start,
            unit="s",
        ),
        Figure(
            name="... taking in, to an empty spool's rate",
            value=statistics.median(taking_in),
            unit="x",
            at_least=0.8,
        ),
        Figure(
            name="... in and out, to an empty spool's rate",
            value=statistics.median(both),
            unit="x",
            at_least=0.8,
        ),
        Figure(name="... draining alone", value=draining, unit="events/s"),
        Figure(name="... size on disk", value=size / MIB, unit="MiB"),
    ]


def _exporter(directory: Path, url: str) -> Exporter:
    return Exporter(directory, url, SPOOL_MAX_BYTES=LIMIT)


async def _opening(directory: Path) -> float:
    """Return the seconds it takes to open the spool in *directory*."""
    started = time.monotonic()
    with open_spool(directory, backends=[ONLY_BACKEND], limit=LIMIT):
        return time.monotonic() - started


class _Feed:
    """Events without an end, a sample at a time."""

    def __init__(self, sample: int) -> None:
        self.sent = 0
        self._sample = sample

    def send(self, exporter: Exporter) -> float:
        """Return the rate at which the next sample is taken in."""
        requests = self._next()
        with Connection(exporter.ingest_port) as connection:
            started = time.monotonic()
            connection.send_all(requests)
            return self._sample / (time.monotonic() - started)

    def arrive(self, receiver: Backend) -> float:
        """Return the rate at which as many events as a sample has arrive."""
        before, started = receiver.seen().events, time.monotonic()
        seen = receiver.seen(before + self._sample)
        return (seen.events - before) / (seen.last - started)

    def send_and_arrive(self, directory: Path) -> float:
        """Return the rate at which a sample is taken in while as many events arrive."""
        requests = self._next()
        with (
            backend() as receiver,
            _exporter(directory, receiver.url).running() as exporter,
            Connection(exporter.ingest_port) as connection,
        ):
            before, started = receiver.seen().events, time.monotonic()
            connection.send_all(requests)
            receiver.seen(before + self._sample)
            return self._sample / (time.monotonic() - started)

    def _next(self) -> list[bytes]:
        positions = range(self.sent + 1, self.sent + self._sample + 1)
        self.sent += self._sample
        return list(map(request, records.bodies(positions, PER_REQUEST)))
