"""What becomes of many tasks at once: how fast, and when the last one arrives."""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from operator import sub
from pathlib import Path

from exporter.distribution.broker_environment import broker_environment
from tests.benchmarks import engine
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, backend
from tests.benchmarks.wire import LOOPBACK

INSTANCES, QUICK_INSTANCES = 2_000, 500
BULK_SIZES, QUICK_BULK_SIZES = (1, 100), (1,)
WARM_UP = 100


def measure(*, quick: bool) -> list[Figure]:
    """Start instances as fast as the broker takes them; each creates one task."""
    instances = QUICK_INSTANCES if quick else INSTANCES
    return [
        figure
        for size in (QUICK_BULK_SIZES if quick else BULK_SIZES)
        for figure in asyncio.run(_burst(instances, bulk_size=size))
    ]


async def _burst(instances: int, *, bulk_size: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(backend())
        exporter = stack.enter_context(Exporter(directory, receiver.url).running())
        environment = broker_environment(
            "8.6.0",
            f"http://{LOOPBACK}:{exporter.ingest_port}",
            bulk_size=bulk_size,
        )
        running = await stack.enter_async_context(
            engine.running(directory, environment)
        )
        await running.start(WARM_UP)
        receiver.seen(WARM_UP)
        before, bulks_before = exporter.usage.cpu_seconds, exporter.bulks
        started = time.monotonic()
        await running.start(instances)
        ordered = time.monotonic()
        seen = await asyncio.to_thread(receiver.seen, WARM_UP + instances)
        cpu = exporter.usage.cpu_seconds - before
        requests, seconds = map(sub, exporter.bulks, bulks_before)
    name = f"bulk size {bulk_size}"
    return [
        Figure(
            name=f"{name}: while the burst lasts",
            value=instances / (seen.last - started),
            unit="events/s",
        ),
        Figure(
            name="... last arrival after first command",
            value=seen.last - started,
            unit="s",
        ),
        Figure(
            name="... last arrival after last answer",
            value=(seen.last - ordered) * 1000,
            unit="ms",
        ),
        Figure(
            name=f"... reply, mean of {requests:,}",
            value=seconds / requests * 1000,
            unit="ms",
        ),
        Figure(
            name="... processor time of the exporter",
            value=cpu / instances * 1e6,
            unit="us/event",
        ),
    ]
