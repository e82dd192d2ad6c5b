"""The measured engine: the recorded one, or the image in the variable ENGINE."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from devkit.client import Client
from devkit.image import HOST, LICENCE, engine_in_docker, image_version
from devkit.processes import LOOPBACK, Process, free_port
from devkit.stories import RECORDINGS, VERSIONS, recording
from exporter.broker.environment import broker_environment
from tests.benchmarks.processes import Exporter

IMAGE = os.environ.get("ENGINE", "")
VERSION = image_version(IMAGE) if IMAGE else VERSIONS[-1]
KIND = IMAGE or f"Recorded engine {VERSION}"
NAME = LICENCE.format(IMAGE) if IMAGE else f"recorded {VERSION}, not a real one"

MODEL = "fx-ext"
"""A process with one user task."""
AT_ONCE = 32

# A container can't reach our loopback.
OUR_ADDRESS = "0.0.0.0" if IMAGE else LOOPBACK  # noqa: S104
LOGIN = {"username": "engine", "password": "made-up"} if IMAGE else {}


def exporting_to(port: int, name: str = "ours", *, bulk_size: int) -> dict[str, str]:
    """Return the variables of a broker's exporter to *port*."""
    return broker_environment(
        VERSION,
        f"http://{HOST if IMAGE else LOOPBACK}:{port}",
        exporter_id=name,
        bulk_size=bulk_size,
        **LOGIN,
    )


class Engine(Client):
    """An engine with a deployed process that waits in a user task."""

    def __init__(self, rest_port: int, management_port: int) -> None:
        super().__init__(f"http://{LOOPBACK}:{rest_port}")
        self.management_url = f"http://{LOOPBACK}:{management_port}"

    async def start(self, number: int) -> None:
        """Start *number* instances as fast as the engine accepts them."""
        free = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with free:
                await self.create_instance(MODEL)

        await asyncio.gather(*(one() for _ in range(number)))

    async def exporting(self, verb: str) -> None:
        """Pause or resume exporting."""
        url = f"{self.management_url}/actuator/exporting/{verb}"
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.post(url)


@asynccontextmanager
async def running(
    directory: Path, variables: Mapping[str, str]
) -> AsyncIterator[Engine]:
    """Run an engine with *variables*, and its log in *directory*."""
    rest, management = free_port(), free_port()
    ports = {"SERVER_PORT": f"{rest}", "MANAGEMENT_SERVER_PORT": f"{management}"}
    async with AsyncExitStack() as stack, Engine(rest, management) as engine:
        if IMAGE:
            real = engine_in_docker(IMAGE, variables, directory, rest, management)
            await stack.enter_async_context(real)
        else:
            recorded = Process(
                [sys.executable, "-m", "devkit", "--version", VERSION],
                log=directory / "engine.log",
                environment={**os.environ, **variables, **ports},
            )
            await stack.enter_async_context(recorded)
            await recorded.start(f"{engine.management_url}/actuator/health/readiness")
        await engine.deploy(recording(RECORDINGS / VERSIONS[-1]).deployments[MODEL])
        yield engine


@asynccontextmanager
async def delivering(
    directory: Path, url: str, *, bulk_size: int, **others: str
) -> AsyncIterator[tuple[Engine, Exporter]]:
    """Run an engine with our exporter to *url*, and with the variables *others*."""
    login = {f"INGEST_{name.upper()}": value for name, value in LOGIN.items()}
    async with Exporter(directory, url, INGEST_HOST=OUR_ADDRESS, **login) as exporter:
        await exporter.run()
        ours = exporting_to(exporter.ingest_port, bulk_size=bulk_size)
        async with running(directory, others | ours) as engine:
            yield engine, exporter
