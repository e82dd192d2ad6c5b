"""The rate of ingest, storage and delivery together on one machine."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from exporter.events import EVERYTHING
from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, Receiver

PER_REQUEST = 500
ROUNDS, QUICK_ROUNDS = 3, 1
EVENTS, QUICK_EVENTS = 60_000, 30_000


class Run(NamedTuple):
    """The events in a second until the last arrival, processor time and memory."""

    rate: float
    cpu: float
    peak: float


async def measure(*, quick: bool) -> list[Figure]:
    """Send as fast as possible to backends that accept at once."""
    number = QUICK_EVENTS if quick else EVENTS
    default, everything, two = [], [], []
    # Alternate, because machine load varies.
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        default.append(await _run(number))
        everything.append(await _run(number, EVENTS=EVERYTHING))
        two.append(await _run(number, backends=2))
    rate, cpu, all_rate, two_rate = (
        statistics.median(values)
        for values in (
            [run.rate for run in default],
            [run.cpu for run in default],
            [run.rate for run in everything],
            [run.rate for run in two],
        )
    )
    return [
        Figure("end to end", rate, "events/s", at_least=9_000),
        Figure("resident size at most", max(run.peak for run in default), "MiB", 80),
        Figure("processor time of one", cpu / number * 1e6, "us"),
        Figure("everything selected, to default", all_rate / rate, "x", at_least=0.85),
        Figure("two backends, to one", two_rate / rate, "x", at_least=0.7),
    ]


async def _run(number: int, *, backends: int = 1, **settings: object) -> Run:
    bodies = list(records.bodies(range(1, number + 1), PER_REQUEST))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with Receiver(directory) as one, Receiver(directory) as other:
            receivers = [one, other][:backends]
            if backends > 1:
                settings |= {
                    "BACKENDS": "one, other",
                    "BACKEND_ONE_URL": one.url,
                    "BACKEND_OTHER_URL": other.url,
                }
            url = "" if backends > 1 else one.url
            async with Exporter(directory, url, **settings) as exporter:
                await exporter.run()
                started = time.monotonic()
                with connected(exporter.ingest_port) as connection:
                    send(connection, bodies)
                last = max(each.complete(number).last for each in receivers)
                rate = number / (last - started)
                return Run(rate, exporter.cpu_seconds, exporter.peak_mib)
