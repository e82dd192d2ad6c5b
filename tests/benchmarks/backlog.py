"""The effect of a million waiting events on memory, opening time and rates."""

import statistics
import tempfile
import time
from pathlib import Path

from exporter.events import ONLY_BACKEND
from exporter.spool import open_spool
from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import MIB, Exporter, Receiver, delivering, nowhere
from tests.benchmarks.throughput import PER_REQUEST

EVENTS, QUICK_EVENTS = 1_000_000, 100_000
SAMPLE, QUICK_SAMPLE = 40_000, 20_000
TURNS, QUICK_TURNS = 3, 1
LIMIT = 4 * 1024 * MIB


async def measure(*, quick: bool) -> list[Figure]:
    """Alternate between a full and an empty spool, because machine load varies."""
    events = QUICK_EVENTS if quick else EVENTS
    turns = range(QUICK_TURNS if quick else TURNS)
    feed = _Feed(QUICK_SAMPLE if quick else SAMPLE)
    with tempfile.TemporaryDirectory() as name:
        full, empty = Path(name) / "full", Path(name) / "empty"
        async with (
            Exporter(full, nowhere(), SPOOL_MAX_BYTES=LIMIT) as filled,
            Exporter(empty, nowhere(), SPOOL_MAX_BYTES=LIMIT) as other,
        ):
            await filled.run()
            await other.run()
            while feed.sent < events:
                feed.send(filled)
            taking_in = [feed.send(filled) / feed.send(other) for _ in turns]
            filling = filled.peak_mib
        size = sum(file.stat().st_size for file in full.rglob("*")) / MIB
        opening = _opening(full / "spool")
        async with (
            Receiver(Path(name)) as receiver,
            Exporter(full, receiver.url, SPOOL_MAX_BYTES=LIMIT) as drained,
        ):
            started = time.monotonic()
            await drained.run()
            ready = time.monotonic() - started
            rate = feed.arrive(receiver)
            draining = drained.peak_mib
        both = [
            await feed.send_and_arrive(full)
            / await feed.send_and_arrive(Path(name) / f"{turn}")
            for turn in turns
        ]
    ratio, both_ratio = statistics.median(taking_in), statistics.median(both)
    name = f"{events:,} waiting: resident, filling"
    return [
        Figure(name, filling, "MiB", at_most=120),
        Figure("... resident, draining", draining, "MiB", at_most=120),
        Figure("... opening after a kill", opening, "s", at_most=1),
        Figure("... process start until ready", ready, "s"),
        Figure("... ingest, to an empty spool's rate", ratio, "x", at_least=0.8),
        Figure(
            "... with delivery, to an empty spool's rate", both_ratio, "x", at_least=0.8
        ),
        Figure("... draining alone", rate, "events/s"),
        Figure("... size on disk", size, "MiB"),
    ]


def _opening(directory: Path) -> float:
    """Return the seconds to open the spool in *directory*."""
    started = time.monotonic()
    with open_spool(directory, backends=[ONLY_BACKEND], limit=LIMIT):
        return time.monotonic() - started


class _Feed:
    """An endless series of events, in samples."""

    def __init__(self, sample: int) -> None:
        self.sent = 0
        self._sample = sample

    def send(self, exporter: Exporter) -> float:
        """Return the rate of ingest for the next sample."""
        bodies = self._next()
        with connected(exporter.ingest_port) as connection:
            started = time.monotonic()
            send(connection, bodies)
            return self._sample / (time.monotonic() - started)

    def arrive(self, receiver: Receiver) -> float:
        """Return the rate of delivery for the events of a sample."""
        before, started = receiver.seen().events, time.monotonic()
        seen = receiver.seen(before + self._sample)
        return (seen.events - before) / (seen.last - started)

    async def send_and_arrive(self, directory: Path) -> float:
        """Return the rate of ingest and delivery together for a sample."""
        bodies = self._next()
        async with delivering(directory, SPOOL_MAX_BYTES=LIMIT) as (exporter, receiver):
            with connected(exporter.ingest_port) as connection:
                before, started = receiver.seen().events, time.monotonic()
                send(connection, bodies)
                receiver.seen(before + self._sample)
                return self._sample / (time.monotonic() - started)

    def _next(self) -> list[bytes]:
        positions = range(self.sent + 1, self.sent + self._sample + 1)
        self.sent += self._sample
        return list(records.bodies(positions, PER_REQUEST))
