"""The rate of ingest on one core, with many records per request."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, nowhere, one_core, selected

PER_REQUEST = 500
ROUNDS = 5
WANTED, QUICK_WANTED = 20_000, 5_000
UNWANTED, QUICK_UNWANTED = 100_000, 25_000


async def measure(*, quick: bool) -> list[Figure]:
    """Send from another core over one connection, without any delivery."""
    wanted = QUICK_WANTED if quick else WANTED
    unwanted = QUICK_UNWANTED if quick else UNWANTED
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        async with Exporter(Path(directory), nowhere()) as exporter:
            with one_core():
                await exporter.run()
            rate, cpu = _measured(exporter, wanted, records.user_task)
            figures += [
                Figure("stored, one core", rate, "events/s", at_least=12_000),
                Figure("processor time of one", cpu, "us"),
            ]
            if selected():  # there are no unwanted records
                return figures
            rate, cpu = _measured(exporter, unwanted, records.process_instance)
            return [
                *figures,
                Figure("unwanted, one core", rate, "records/s", at_least=100_000),
                Figure("processor time of one", cpu, "us"),
            ]


def _measured(
    exporter: Exporter, number: int, record: Callable[[int], bytes]
) -> tuple[float, float]:
    """Return the median rate of some rounds, and the processor time per record."""
    rates, cpu = [], []
    with connected(exporter.ingest_port) as connection:
        for turn in range(ROUNDS):
            positions = range(turn * number + 1, (turn + 1) * number + 1)
            bodies = list(records.bodies(positions, PER_REQUEST, record))
            before, started = exporter.cpu_seconds, time.monotonic()
            send(connection, bodies)
            rates.append(number / (time.monotonic() - started))
            cpu.append((exporter.cpu_seconds - before) / number * 1e6)
    return statistics.median(rates), statistics.median(cpu)
