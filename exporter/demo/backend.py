"""
Play the backend: accept batches of events and remember when each one arrived.

It's as simple as a backend can be, so that what it shows is the exporter's doing.
"""

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from aiohttp import web

from exporter.demo.ports import LOOPBACK, free_port

BIGGEST_BATCH = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event at the moment it reached the backend."""

    at: float
    identity: str
    event: dict[str, Any]

    @property
    def position(self) -> int:
        """Where the engine's log of its partition has the record."""
        return int(self.identity.split("-")[-2])

    @property
    def written(self) -> float:
        """When the engine wrote the record, in seconds like `at`."""
        return int(self.identity.split("-")[-1]) / 1000

    @property
    def instance(self) -> str:
        """The key of the process instance."""
        return str(self.event["processInstanceKey"])

    @property
    def task(self) -> str:
        """The key of the user task."""
        return str(self.event["userTaskKey"])

    @property
    def intent(self) -> str:
        """What happened to the task."""
        return str(self.event["intent"])


class Backend:
    """A stub backend; it listens within `async with`."""

    def __init__(self, *, port: int = 0) -> None:
        """Listen on *port* of the loopback, or on any that is free."""
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}/events"
        self.arrivals: list[Arrival] = []
        self.news: asyncio.Queue[Arrival] = asyncio.Queue()
        self.answer = HTTPStatus.OK
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        await self.down()

    async def up(self) -> None:
        """Listen, again after `down` and on the same port."""
        app = web.Application(client_max_size=BIGGEST_BATCH)
        app.router.add_post("/events", self._accept)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self.port).start()

    async def down(self) -> None:
        """Refuse connections, as a backend that isn't there."""
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    async def _accept(self, request: web.Request) -> web.Response:
        now = time.time()
        batch = await request.json()
        if self.answer is HTTPStatus.OK:
            identities = request.headers["X-Event-Ids"].split(",")
            for identity, event in zip(identities, batch["events"], strict=True):
                arrival = Arrival(now, identity, event)
                self.arrivals.append(arrival)
                self.news.put_nowait(arrival)
        return web.Response(status=self.answer)
