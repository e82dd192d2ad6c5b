"""
The effect of our exporter on another exporter of the engine: its drain rate.

A partition's exporters wait for each other. The other exporter gets its default value
types, many records at a time.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from devkit.recorder import Recorder
from tests.benchmarks import engine
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import Receiver

INSTANCES, QUICK_INSTANCES = 2_000, 300
WARM_UP = 200
BULK_SIZES, QUICK_BULK_SIZES = (1, 50), (1,)
QUIET_SECONDS, WAIT_SECONDS = 2.5, 120.0


async def measure(*, quick: bool) -> list[Figure]:
    """Collect records in the engine's log, and measure how fast they drain."""
    instances = QUICK_INSTANCES if quick else INSTANCES
    alone = await _drain_rate(instances, bulk_size=None)
    figures = [Figure("alone", alone, "records/s")]
    for size in QUICK_BULK_SIZES if quick else BULK_SIZES:
        rate = await _drain_rate(instances, bulk_size=size)
        figures += [
            Figure(f"with ours at bulk size {size}", rate, "records/s"),
            Figure("... to its rate alone", rate / alone, "x"),
            Figure("... ours adds", (1 / rate - 1 / alone) * 1e6, "us/record"),
        ]
    return figures


async def _drain_rate(instances: int, *, bulk_size: int | None) -> float:
    """Return the other exporter's rate; without *bulk_size*, ours doesn't run."""
    recorder = Recorder()
    recorder.host = engine.OUR_ADDRESS
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        await stack.enter_async_context(recorder)
        other = engine.exporting_to(recorder.port, "other", bulk_size=1000)
        other = {name: each for name, each in other.items() if "_INDEX_" not in name}
        if bulk_size is None:
            alone = engine.running(directory, other)
            running = await stack.enter_async_context(alone)
        else:
            url = (await stack.enter_async_context(Receiver(directory))).url
            both = engine.delivering(directory, url, bulk_size=bulk_size, **other)
            running, _ = await stack.enter_async_context(both)
        await running.start(WARM_UP)
        before = await _settled(recorder)
        await running.exporting("pause")
        await running.start(instances)
        resumed = time.time()
        await running.exporting("resume")
        count = await _settled(recorder, more_than=before)
    return (count - before) / (recorder.records[-1].at - resumed)


async def _settled(recorder: Recorder, more_than: int = 0) -> int:
    """Wait until the recorder's count has grown and is stable; return the count."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            count = len(recorder.records)
            quiet = count and time.time() - recorder.records[-1].at > QUIET_SECONDS
            if quiet and count > more_than:
                return count
            await asyncio.sleep(0.2)
