"""The delivery rate of many tasks at once, and the arrival of the last one."""

import tempfile
import time
from pathlib import Path

from tests.benchmarks.engine import delivering
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Receiver

INSTANCES, QUICK_INSTANCES = 2_000, 500
BULK_SIZES, QUICK_BULK_SIZES = (1, 100), (1,)
WARM_UP = 100
REPLIES = "ingest_bulk_duration_seconds"


async def measure(*, quick: bool) -> list[Figure]:
    """Start instances as fast as the engine accepts them; each creates one task."""
    figures = []
    for size in QUICK_BULK_SIZES if quick else BULK_SIZES:
        with tempfile.TemporaryDirectory() as name:
            instances = QUICK_INSTANCES if quick else INSTANCES
            figures += await _burst(Path(name), instances, size)
    return figures


async def _burst(directory: Path, instances: int, bulk_size: int) -> list[Figure]:
    async with (
        Receiver(directory) as receiver,
        delivering(directory, receiver.url, bulk_size=bulk_size) as (engine, exporter),
    ):
        await engine.start(WARM_UP)
        receiver.seen(WARM_UP)
        cpu_before, before = exporter.cpu_seconds, await exporter.metrics()
        started = time.monotonic()
        await engine.start(instances)
        answered = time.monotonic()
        last = receiver.seen(WARM_UP + instances).last
        cpu, after = exporter.cpu_seconds - cpu_before, await exporter.metrics()
    count, total = (
        after[f"{REPLIES}_{each}"] - before[f"{REPLIES}_{each}"]
        for each in ("count", "sum")
    )
    rate = instances / (last - started)
    return [
        Figure(f"bulk size {bulk_size}: while the burst lasts", rate, "events/s"),
        Figure("... the engine's last answer", answered - started, "s"),
        Figure("... last arrival after first command", last - started, "s"),
        Figure("... last arrival after last answer", (last - answered) * 1000, "ms"),
        Figure(f"... reply, mean of {count:,.0f}", total / count * 1000, "ms"),
        Figure("... processor time of the exporter", cpu / instances * 1e6, "us/event"),
    ]
