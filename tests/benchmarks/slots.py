"""What a slow backend leaves of the rate, by the number of requests in flight."""

import tempfile
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, backend
from tests.benchmarks.throughput import PER_REQUEST, arrived
from tests.benchmarks.wire import Connection, request

LATENCY_SECONDS = 0.1
BATCH = 50
DEFAULT_SLOTS = 4
SLOTS, QUICK_SLOTS = (1, 2, 4, 8, 16), (1, 4, 16)
BATCHES, QUICK_BATCHES = 40, 20


def measure(*, quick: bool) -> list[Figure]:
    """Fill the spool first, and look at how fast it gets empty."""
    batches = QUICK_BATCHES if quick else BATCHES
    rates = {
        slots: _rate(slots, batches * slots * BATCH)
        for slots in (QUICK_SLOTS if quick else SLOTS)
    }
    return [
        Figure(
            name=f"{slots} in flight",
            value=rate,
            unit="events/s",
            at_least=1_900 if slots == DEFAULT_SLOTS else None,
        )
        for slots, rate in rates.items()
    ] + [
        Figure(
            name="16 in flight to 1",
            value=rates[16] / rates[1],
            unit="x",
            at_least=0.9 * 16,
        )
    ]


def _rate(slots: int, number: int) -> float:
    requests = list(map(request, records.bodies(range(1, number + 1), PER_REQUEST)))
    with (
        tempfile.TemporaryDirectory() as directory,
        backend(LATENCY_SECONDS) as receiver,
        Exporter(
            Path(directory), receiver.url, MAX_BATCHES_IN_FLIGHT=slots
        ).running() as exporter,
        Connection(exporter.ingest_port) as connection,
    ):
        connection.send_all(requests)
        seen = arrived(receiver, number)
    return number / (seen.last - seen.first)
