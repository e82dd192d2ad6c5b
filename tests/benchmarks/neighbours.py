"""The delivery time of a healthy backend while another one hangs."""

import statistics
import tempfile
import time
from pathlib import Path

from devkit.backend import FOREVER
from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, Receiver

ROUNDS, QUICK_ROUNDS = 4, 2
EVENTS, QUICK_EVENTS = 400, 150
WARM_UP = 50


async def measure(*, quick: bool) -> list[Figure]:
    """Send single events to one backend, then also to one that hangs."""
    number = QUICK_EVENTS if quick else EVENTS
    alone, with_hanging = [], []
    # Alternate, because the load of a machine varies.
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        alone += await _milliseconds(number, hanging=False)
        with_hanging += await _milliseconds(number, hanging=True)
    p50, p50_hanging = statistics.median(alone), statistics.median(with_hanging)
    return [
        Figure("alone, p50", p50, "ms"),
        Figure("next to one that hangs, p50", p50_hanging, "ms"),
        Figure(
            "next to one that hangs, to alone", p50_hanging / p50, "times", at_most=1.2
        ),
    ]


async def _milliseconds(number: int, *, hanging: bool) -> list[float]:
    """Return the time of each event from its request to the healthy backend."""
    bodies = map(records.user_task, range(1, number + 1))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with (
            Receiver(directory) as healthy,
            Receiver(directory, FOREVER) as other,
        ):
            settings = {"BACKENDS": "healthy", "BACKEND_HEALTHY_URL": healthy.url}
            if hanging:
                settings |= {
                    "BACKENDS": "healthy, hanging",
                    "BACKEND_HANGING_URL": other.url,
                    "BACKEND_HANGING_REQUEST_TIMEOUT_MS": "60000",
                }
            async with Exporter(directory, "", **settings) as exporter:
                await exporter.run()
                took = []
                with connected(exporter.ingest_port) as connection:
                    for count, body in enumerate(bodies, start=1):
                        started = time.monotonic()
                        send(connection, [body])
                        took.append((healthy.seen(count).last - started) * 1000)
    return took[WARM_UP:]
