"""The whole exporter in this process, for the length of a block."""

import asyncio
import io
import json
import logging
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from devkit import metrics
from devkit.waiting import eventually
from exporter import service


class Lines(logging.Handler):
    """A log handler that keeps the records."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.records = []
        self.emit = self.records.append

    def saying(self, message):
        """Return the records with *message*, oldest first."""
        return [record for record in self.records if record.getMessage() == message]


@dataclass(frozen=True)
class Reply:
    """An answer of one of the two ports."""

    status: int
    headers: dict = field(repr=False)
    body: bytes

    @property
    def json(self):
        """The body, decoded."""
        return json.loads(self.body)


class Exporter:
    """A running exporter as the broker and the operator see it."""

    def __init__(self, lines, session, task):
        """Read the ports from the *lines* of the log."""
        (ready,) = lines.saying("ready")
        self.lines = lines
        self.ingest = ready.ingest
        self.admin = ready.admin
        self._session = session
        self._task = task

    async def bulk(self, body, **headers):
        """Send a bulk request as the broker does, and return the reply."""
        headers = {"Content-Type": "application/x-ndjson"} | headers
        data = io.BytesIO(body)  # bytes above 1 MiB would draw a warning
        return await self.ask("POST", "/_bulk", data=data, headers=headers)

    async def ask(self, method, path, **more):
        """Send any request to the ingest port."""
        return await self._ask(method, f"http://{self.ingest}{path}", **more)

    async def look(self, path, **more):
        """Return the answer of the admin port to GET *path*."""
        return await self._ask("GET", f"http://{self.admin}{path}", **more)

    async def demand(self, method, path, token, **more):
        """Send any request to the admin port, with *token*."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://{self.admin}{path}"
        return await self._ask(method, url, headers=headers, **more)

    async def metrics(self):
        """Return the metrics, as `devkit.metrics` reads them."""
        return metrics.read((await self.look("/metrics")).body.decode())

    async def stop(self):
        """Send SIGTERM, and return after the end."""
        signal.raise_signal(signal.SIGTERM)
        await self.ended()

    async def ended(self):
        """Return after the end, or raise its error."""
        await self._task

    async def trouble(self):
        """Return the line about the batch that wasn't delivered, when it is logged."""
        (line,) = await eventually(lambda: self.lines.saying("batch not delivered"))
        return line

    async def _ask(self, method, url, **more):
        async with self._session.request(method, url, **more) as response:
            body = await response.read()
            return Reply(response.status, dict(response.headers), body)


async def eventually_metrics(exporter, **expected):
    """Return the metrics as soon as they include *expected*."""

    async def scraped():
        found = await exporter.metrics()
        return found if expected.items() <= found.items() else None

    return await eventually(scraped)


async def send(client, url, body):
    """Send a bulk request to the ingest port at *url*; return the status."""
    async with client.post(f"{url}/_bulk", data=body) as response:
        await response.read()
        return response.status


@asynccontextmanager
async def running(settings):
    """Run the service with *settings*; an error of its start is raised."""
    lines = Lines()
    logger = logging.getLogger("exporter")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    task = asyncio.create_task(service.serve(settings), name="service")
    try:
        await eventually(lambda: task.done() or lines.saying("ready"))
        if task.done():
            task.result()
        async with aiohttp.ClientSession() as session:
            yield Exporter(lines, session, task)
    finally:
        if not task.done():
            signal.raise_signal(signal.SIGTERM)
            await task
        logger.removeHandler(lines)
        logger.setLevel(level)
