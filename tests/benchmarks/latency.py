"""The time from the engine's log to the backend at low load."""

import asyncio
import tempfile
from pathlib import Path

from devkit.backend import Backend
from tests.benchmarks.engine import MODEL, Engine, delivering
from tests.benchmarks.figures import Figure, percentile

TASKS, QUICK_TASKS = 180, 20
WARM_UP = 15
TASKS_PER_SECOND = 3
EVENTS_OF_A_TASK = 2


async def measure(*, quick: bool) -> list[Figure]:
    """Create tasks one by one, and complete each when its event arrives."""
    tasks = WARM_UP + (QUICK_TASKS if quick else TASKS)
    with tempfile.TemporaryDirectory() as name:
        async with (
            Backend() as backend,
            delivering(Path(name), backend.url, bulk_size=1) as (engine, _),
            asyncio.timeout(tasks / TASKS_PER_SECOND + 30),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(_complete(tasks, engine, backend))
            for _ in range(tasks):
                group.create_task(engine.create_instance(MODEL))
                await asyncio.sleep(1 / TASKS_PER_SECOND)
    arrivals = backend.arrivals[EVENTS_OF_A_TASK * WARM_UP :]
    took = [(arrival.at - arrival.written) * 1000 for arrival in arrivals]
    return [
        Figure("engine to arrival, p50", percentile(took, 50), "ms", at_most=25),
        Figure("engine to arrival, p99", percentile(took, 99), "ms", at_most=150),
        Figure("engine to arrival, longest", max(took), "ms"),
        Figure("events", len(took), ""),
    ]


async def _complete(tasks: int, engine: Engine, backend: Backend) -> None:
    """Complete *tasks* when they are created; wait until all their events arrived."""
    for _ in range(EVENTS_OF_A_TASK * tasks):
        arrival = await backend.news.get()
        if arrival.intent == "CREATED":
            await engine.complete(arrival.task)
