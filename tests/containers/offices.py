"""People who work on the tasks of a broker in a container."""

from contextlib import asynccontextmanager

from exporter.demo.engine import Engine
from tests.integration.office import Office


@asynccontextmanager
async def staffed(broker, backend):
    """Yield the office of *broker*, with people who do what *backend* is told of."""
    async with unstaffed(broker, backend) as office, office.at_work():
        yield office


@asynccontextmanager
async def unstaffed(broker, backend):
    """Yield the office of *broker*, where nobody works: tasks are only created."""
    async with Engine(broker.rest_url) as engine:
        yield Office(engine, backend)
