"""How long an event takes from the engine's log to the backend, in quiet times."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from exporter.demo.backend import Backend
from exporter.distribution.broker_environment import broker_environment
from tests.benchmarks import engine
from tests.benchmarks.engine import Running
from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.processes import Exporter
from tests.benchmarks.wire import LOOPBACK

TASKS, QUICK_TASKS = 180, 20
WARM_UP = 15
TASKS_PER_SECOND = 3
EVENTS_OF_A_TASK = 2


def measure(*, quick: bool) -> list[Figure]:
    """Create tasks one by one; each is completed when the backend learns of it."""
    tasks = QUICK_TASKS if quick else TASKS
    milliseconds = asyncio.run(_milliseconds(tasks))
    return [
        Figure(
            name="engine to arrival, p50",
            value=percentile(milliseconds, 50),
            unit="ms",
            at_most=25,
        ),
        Figure(
            name="engine to arrival, p99",
            value=percentile(milliseconds, 99),
            unit="ms",
            at_most=150,
        ),
        Figure(name="engine to arrival, longest", value=max(milliseconds), unit="ms"),
        Figure(name="events", value=len(milliseconds), unit=""),
    ]


async def _milliseconds(tasks: int) -> list[float]:
    """Return how long each event took; the first few only warm the engine up."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = await stack.enter_async_context(Backend())
        exporter = stack.enter_context(Exporter(directory, receiver.url).running())
        url = f"http://{LOOPBACK}:{exporter.ingest_port}"
        running = await stack.enter_async_context(
            engine.running(directory, broker_environment("8.6.0", url))
        )
        async with asyncio.timeout((WARM_UP + tasks) / TASKS_PER_SECOND + 30):
            async with asyncio.TaskGroup() as group:
                group.create_task(_complete_all(running, receiver, WARM_UP + tasks))
                for _ in range(WARM_UP + tasks):
                    group.create_task(running.start_one())
                    await asyncio.sleep(1 / TASKS_PER_SECOND)
    arrivals = receiver.arrivals[EVENTS_OF_A_TASK * WARM_UP :]
    return [(arrival.at - arrival.written) * 1000 for arrival in arrivals]


async def _complete_all(running: Running, receiver: Backend, tasks: int) -> None:
    """Complete *tasks* as they are created; return when it was told of all."""
    for _ in range(EVENTS_OF_A_TASK * tasks):
        arrival = await receiver.news.get()
        if arrival.intent == "CREATED":
            await running.engine.complete(arrival.task)
