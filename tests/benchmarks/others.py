"""
What the broker's other exporters notice of ours: the rate at which one drains.

A partition's exporters wait for each other. The other one is configured as for Operate:
every value type it exports by default, many records at a time.
"""

import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from exporter.distribution.broker_environment import CLASS_NAME, broker_environment
from tests.benchmarks import engine
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Exporter, asked, backend, serving
from tests.benchmarks.wire import LOOPBACK

INSTANCES, QUICK_INSTANCES = 2_000, 300
WARM_UP = 200
BULK_SIZES, QUICK_BULK_SIZES = (1, 50), (1,)
QUIET_SECONDS = 2.5
WAIT_SECONDS = 120.0


class Recorded(NamedTuple):
    """What the other one has sent."""

    records: int
    last: float
    """When the last request came; seconds of the monotonic clock."""


def measure(*, quick: bool) -> list[Figure]:
    """Let records pile up in the engine's log, and look at how they drain."""
    instances = QUICK_INSTANCES if quick else INSTANCES
    alone = asyncio.run(_drain_rate(instances, bulk_size=None))
    rates = {
        size: asyncio.run(_drain_rate(instances, bulk_size=size))
        for size in (QUICK_BULK_SIZES if quick else BULK_SIZES)
    }
    figures = [Figure(name="alone", value=alone, unit="records/s")]
    for size, rate in rates.items():
        figures += [
            Figure(name=f"with ours at bulk size {size}", value=rate, unit="records/s"),
            Figure(name="... to its rate alone", value=rate / alone, unit="x"),
        ]
    return figures


async def _drain_rate(instances: int, *, bulk_size: int | None) -> float:
    """Return the other's rate; without a *bulk_size* ours is absent."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        recorder = stack.enter_context(serving("tests.benchmarks.recorder"))
        environment = _other(recorder)
        if bulk_size is not None:
            receiver = stack.enter_context(backend())
            exporter = stack.enter_context(Exporter(directory, receiver.url).running())
            environment |= broker_environment(
                "8.6.0",
                f"http://{LOOPBACK}:{exporter.ingest_port}",
                bulk_size=bulk_size,
            )
        running = await stack.enter_async_context(
            engine.running(directory, environment)
        )
        await running.start(WARM_UP)
        before = await _settled(recorder)
        await running.broker.pause_exporting()
        await running.start(instances)
        resumed = time.monotonic()
        await running.broker.resume_exporting()
        seen = await _settled(recorder, more_than=before.records)
    return (seen.records - before.records) / (seen.last - resumed)


async def _settled(port: int, more_than: int = 0) -> Recorded:
    """Return what the recorder has, once that's enough and nothing came for a while."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            seen = Recorded(**json.loads(asked(port, "/seen")[1]))
            quiet = time.monotonic() - seen.last > QUIET_SECONDS
            if seen.records > more_than and quiet:
                return seen
            await asyncio.sleep(0.2)


def _other(port: int) -> dict[str, str]:
    prefix = "ZEEBE_BROKER_EXPORTERS_OTHER"
    return {
        f"{prefix}_CLASSNAME": CLASS_NAME,
        f"{prefix}_ARGS_URL": f"http://{LOOPBACK}:{port}",
        f"{prefix}_ARGS_BULK_SIZE": "1000",
        f"{prefix}_ARGS_BULK_DELAY": "1",
    }
