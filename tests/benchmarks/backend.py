"""
A backend that accepts everything after a fixed time, in a process of its own.

`python -m tests.benchmarks.backend LATENCY_SECONDS` prints its port. It knows events by
the header `X-Event-Ids` alone, so that it takes as little of the machine as possible.
"""

import argparse
import asyncio
import time

import uvloop
from aiohttp import web

from tests.benchmarks.wire import LOOPBACK


class Backend:
    """What arrived, and when. Times are of the clock that all processes share."""

    def __init__(self, latency: float) -> None:
        """Answer each request *latency* seconds after it came."""
        self._latency = latency
        self._identities: set[str] = set()
        self._events = 0
        self._first = self._last = 0.0
        self._changed = asyncio.Condition()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/events", self._accept)
        app.router.add_get("/seen", self._seen)
        return app

    async def _accept(self, request: web.Request) -> web.Response:
        await request.read()
        if not self._events:
            self._first = time.monotonic()
        if self._latency:
            await asyncio.sleep(self._latency)
        identities = request.headers["X-Event-Ids"].split(",")
        self._identities.update(identities)
        self._events += len(identities)
        self._last = time.monotonic()
        async with self._changed:
            self._changed.notify_all()
        return web.Response()

    async def _seen(self, request: web.Request) -> web.Response:
        """Answer when at least `events` different ones were accepted."""
        wanted = int(request.query.get("events", "0"))
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._identities) >= wanted)
        return web.json_response(
            {
                "events": len(self._identities),
                "repeats": self._events - len(self._identities),
                "first": self._first,
                "last": self._last,
            }
        )


async def serve(latency: float) -> None:
    """Print the port, and serve until killed."""
    runner = web.AppRunner(Backend(latency).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("latency", type=float)
    uvloop.run(serve(parser.parse_args().latency))
