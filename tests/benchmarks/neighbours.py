"""What a backend notices of another one that hangs: how long its own events take."""

import statistics
import tempfile
import time
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, backend
from tests.benchmarks.wire import Connection, request

ROUNDS, QUICK_ROUNDS = 4, 2
EVENTS, QUICK_EVENTS = 400, 150
WARM_UP = 50
NEVER = 3600.0
"""Seconds, longer than any measurement."""


def measure(*, quick: bool) -> list[Figure]:
    """Send one event after the other to a backend alone, and beside one that hangs."""
    number = QUICK_EVENTS if quick else EVENTS
    alone, beside = [], []
    # In turns, because a machine isn't the same from minute to minute.
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        alone += _milliseconds(number, hanging=False)
        beside += _milliseconds(number, hanging=True)
    return [
        Figure(name="alone, p50", value=statistics.median(alone), unit="ms"),
        Figure(
            name="beside one that hangs, p50",
            value=statistics.median(beside),
            unit="ms",
        ),
        Figure(
            name="beside one that hangs, to alone",
            value=statistics.median(beside) / statistics.median(alone),
            unit="times",
            at_most=1.2,
        ),
    ]


def _milliseconds(number: int, *, hanging: bool) -> list[float]:
    """Return how long each event took from its record to the healthy backend."""
    requests = list(map(request, records.bodies(range(1, number + 1), 1)))
    with (
        tempfile.TemporaryDirectory() as directory,
        backend() as healthy,
        backend(NEVER) as other,
    ):
        settings = {"BACKENDS": "healthy", "BACKEND_HEALTHY_URL": healthy.url}
        if hanging:
            settings |= {
                "BACKENDS": "healthy, hanging",
                "BACKEND_HANGING_URL": other.url,
                "BACKEND_HANGING_REQUEST_TIMEOUT_MS": "60000",
            }
        with (
            Exporter(Path(directory), "", **settings).running() as exporter,
            Connection(exporter.ingest_port) as connection,
        ):
            took = []
            for count, each in enumerate(requests, start=1):
                started = time.monotonic()
                connection.send_all([each])
                took.append((healthy.seen(count).last - started) * 1000)
    return took[WARM_UP:]
