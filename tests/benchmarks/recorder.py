"""
Another search engine's place: counts the records of bulk requests, and nothing else.

Prints its port. It runs in a process of its own, as lean as Python can be, because what
is measured is how fast the broker gets rid of its records.
"""

import asyncio
import time

import uvloop
from aiohttp import web

from tests.benchmarks.wire import LOOPBACK

ACKNOWLEDGED = b'{"acknowledged":true}'
ACCEPTED = b'{"took":0,"errors":false,"items":[]}'


class Recorder:
    """How many records came, and when."""

    def __init__(self) -> None:
        """Begin at none."""
        self._records = 0
        self._last = 0.0

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/_bulk", self._bulk)
        app.router.add_get("/seen", self._seen)
        app.router.add_put("/{whatever:.*}", self._acknowledge)
        return app

    async def _bulk(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._last = time.monotonic()
        self._records += body.count(b"\n") // 2
        return _json(ACCEPTED)

    async def _acknowledge(self, request: web.Request) -> web.Response:
        await request.read()
        return _json(ACKNOWLEDGED)

    async def _seen(self, _: web.Request) -> web.Response:
        """Answer how many came, and when the last one did."""
        return web.json_response({"records": self._records, "last": self._last})


def _json(body: bytes) -> web.Response:
    headers = {"X-Elastic-Product": "Elasticsearch"}
    return web.Response(body=body, headers=headers, content_type="application/json")


async def serve() -> None:
    """Print the port, and serve until killed."""
    runner = web.AppRunner(Recorder().app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
