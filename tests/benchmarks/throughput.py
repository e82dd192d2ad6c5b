"""Everything at once: records in, safe on disk, and delivered, on one machine."""

import statistics
import tempfile
import time
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Backend, Exporter, Seen, Usage, backend
from tests.benchmarks.wire import Connection, request

PER_REQUEST = 500
ROUNDS, QUICK_ROUNDS = 3, 1
EVENTS, QUICK_EVENTS = 60_000, 30_000


def measure(*, quick: bool) -> list[Figure]:
    """Send as fast as it's taken, while a backend accepts at once."""
    number = QUICK_EVENTS if quick else EVENTS
    runs = [_run(number) for _ in range(QUICK_ROUNDS if quick else ROUNDS)]
    rate = statistics.median(rate for rate, _ in runs)
    cpu = statistics.median(usage.cpu_seconds for _, usage in runs)
    return [
        Figure(name="end to end", value=rate, unit="events/s", at_least=9_000),
        Figure(
            name="resident size at most",
            value=max(usage.peak_mib for _, usage in runs),
            unit="MiB",
            at_most=80,
        ),
        Figure(name="processor time of one", value=cpu / number * 1e6, unit="us"),
    ]


def _run(number: int) -> tuple[float, Usage]:
    """Return the rate from the first request to the last arrival, and what it took."""
    bodies = records.bodies(range(1, number + 1), PER_REQUEST)
    requests = list(map(request, bodies))
    with (
        tempfile.TemporaryDirectory() as directory,
        backend() as receiver,
        Exporter(Path(directory), receiver.url).running() as exporter,
        Connection(exporter.ingest_port) as connection,
    ):
        started = time.monotonic()
        connection.send_all(requests)
        seen = arrived(receiver, number)
        return number / (seen.last - started), exporter.usage


def arrived(receiver: Backend, number: int) -> Seen:
    """Return once *number* events arrived; a repeat or a surplus is a mistake."""
    seen = receiver.seen(number)
    if (seen.events, seen.repeats) != (number, 0):
        raise RuntimeError(f"{number} events became {seen}")
    return seen
