"""A real broker with a process that waits in a user task."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from exporter.demo.engine import Engine, Key

MODEL = Path(__file__).parent / "data" / "review.bpmn"
AT_ONCE = 32


class Running:
    """A broker that runs, and its engine."""

    def __init__(self, broker: Any, engine: Engine, definition: Key) -> None:
        """Start instances of the process *definition*."""
        self.broker = broker
        self.engine = engine
        self._definition = definition

    async def start_one(self) -> None:
        """Start an instance: a user task is created."""
        await self.engine.create_instance(self._definition)

    async def start(self, number: int) -> None:
        """Start *number* instances as fast as the broker takes them."""
        free = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with free:
                await self.start_one()

        await asyncio.gather(*(one() for _ in range(number)))


@asynccontextmanager
async def running(
    directory: Path, environment: Mapping[str, str]
) -> AsyncIterator[Running]:
    """Run a broker with *environment* during the block; its data is in *directory*."""
    broker = new_broker(directory, environment)
    await broker.start()
    try:
        async with Engine(broker.rest_url) as engine:
            deployed = await engine.deploy({MODEL.name: MODEL.read_bytes()})
            process = deployed["deployments"][0]["processDefinition"]
            yield Running(broker, engine, process["processDefinitionKey"])
    finally:
        await broker.stop()


def new_broker(directory: Path, environment: Mapping[str, str]) -> Any:
    """Return a broker; there is none to measure with for now."""
    raise NotImplementedError(f"no engine for {directory} with {environment}")
