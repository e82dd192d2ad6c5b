"""How much one core takes in when the broker sends many records at a time."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, nowhere, selected
from tests.benchmarks.wire import Connection, request

PER_REQUEST = 500
ROUNDS = 5
WANTED, QUICK_WANTED = 20_000, 5_000
UNWANTED, QUICK_UNWANTED = 100_000, 25_000


def measure(*, quick: bool) -> list[Figure]:
    """Send from another core, over one connection; nothing is delivered meanwhile."""
    wanted = QUICK_WANTED if quick else WANTED
    unwanted = QUICK_UNWANTED if quick else UNWANTED
    with tempfile.TemporaryDirectory() as directory:
        exporter = Exporter(Path(directory), nowhere())
        with (
            exporter.running(on_one_core=True),
            Connection(exporter.ingest_port) as connection,
        ):
            stored = _measured(exporter, connection, wanted, records.user_task)
            if not selected():
                passed = _measured(
                    exporter, connection, unwanted, records.process_instance
                )
    figures = [
        Figure(
            name="stored, one core", value=stored[0], unit="events/s", at_least=12_000
        ),
        Figure(name="processor time of one", value=stored[1], unit="us"),
    ]
    if selected():
        return figures
    return [
        *figures,
        Figure(
            name="unwanted, one core",
            value=passed[0],
            unit="records/s",
            at_least=100_000,
        ),
        Figure(name="processor time of one", value=passed[1], unit="us"),
    ]


def _measured(
    exporter: Exporter,
    connection: Connection,
    number: int,
    record: Callable[[int], bytes],
) -> tuple[float, float]:
    """Return the median rate of some rounds, and the processor time of one record."""
    rates, cpu = [], []
    for turn in range(ROUNDS):
        positions = range(turn * number + 1, (turn + 1) * number + 1)
        requests = list(map(request, records.bodies(positions, PER_REQUEST, record)))
        before, started = exporter.usage.cpu_seconds, time.monotonic()
        connection.send_all(requests)
        rates.append(number / (time.monotonic() - started))
        cpu.append((exporter.usage.cpu_seconds - before) / number * 1e6)
    return statistics.median(rates), statistics.median(cpu)
