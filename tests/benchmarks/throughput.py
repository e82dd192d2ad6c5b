"""The rate of ingest, storage and delivery together on one machine."""

import statistics
import time

from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import delivering

PER_REQUEST = 500
ROUNDS, QUICK_ROUNDS = 3, 1
EVENTS, QUICK_EVENTS = 60_000, 30_000


async def measure(*, quick: bool) -> list[Figure]:
    """Send as fast as possible to a backend that accepts at once."""
    number = QUICK_EVENTS if quick else EVENTS
    runs = [await _run(number) for _ in range(QUICK_ROUNDS if quick else ROUNDS)]
    rates, cpu, peaks = zip(*runs, strict=True)
    us = statistics.median(cpu) / number * 1e6
    return [
        Figure("end to end", statistics.median(rates), "events/s", at_least=9_000),
        Figure("resident size at most", max(peaks), "MiB", at_most=80),
        Figure("processor time of one", us, "us"),
    ]


async def _run(number: int) -> tuple[float, float, float]:
    """Return the rate until the last arrival, processor time and memory."""
    bodies = list(records.bodies(range(1, number + 1), PER_REQUEST))
    async with delivering() as (exporter, receiver):
        started = time.monotonic()
        with connected(exporter.ingest_port) as connection:
            send(connection, bodies)
        seen = receiver.complete(number)
        rate = number / (seen.last - started)
        return rate, exporter.cpu_seconds, exporter.peak_mib
