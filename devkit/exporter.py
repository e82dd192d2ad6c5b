"""One exporter of one partition: its bulk, its counters, its connection."""

import asyncio
from collections.abc import Mapping
from typing import Any

from devkit.arguments import Arguments
from devkit.requests import Answer, Client, Request
from devkit.stories import Record

NOTHING = -1
"""The position before all others."""


# Whatever a server answers, a broker tries again.
BROKEN = (
    *(OSError, EOFError, ValueError, LookupError, ArithmeticError, RecursionError),
    asyncio.LimitOverrunError,
)


class ExportError(Exception):
    """A request failed; it will be repeated."""


class Connection:
    """A connection that is kept alive; its time-out is of a whole exchange."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        """Wait *seconds* for the answer to a request."""
        self._host, self._port, self._seconds = host, port, seconds
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Return the answer; raise if there is none."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(request)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._open:
            self._open[1].close()
        self._open = None

    async def _exchange(self, request: bytes) -> Answer:
        if not self._open or self._open[0].at_eof() or self._open[1].is_closing():
            self.close()
            self._open = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._open
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split(" ")[1]), headers, body)


class Exporter:
    """One exporter, whose `kept` is what a snapshot keeps of it."""

    def __init__(self, arguments: Arguments, kept: Mapping[str, Any]) -> None:
        """Begin after the position that a snapshot *kept*."""
        self.arguments = arguments
        self.kept = {"position": NOTHING, "counters": {}, **kept}
        self.position: int = self.kept["position"]
        """Of the last record that needs no other attempt."""
        self.flush_at = 0.0
        seconds = arguments.requesttimeoutms / 1000
        self.connection = Connection(*(arguments.address or ("", 0)), seconds)
        self._client = Client(arguments)
        self._counters: dict[str, int] = dict(self.kept["counters"])
        self._prepared: set[str] = set()
        self._bulk: list[tuple[str, str]] = []
        self._seen = self.position

    async def export(self, record: Record) -> None:
        """Take *record*; an attempt that failed may have taken it already."""
        position, kind = record["position"], record["valueType"]
        if self.arguments.exports(record):
            version = record["brokerVersion"]
            if version not in self._prepared:
                for request in self._client.startup(version):
                    await self._ask(request)
                self._prepared.add(version)
            if self._seen != position:
                self._counters[kind] = self._counters.get(kind, 0) + 1
                self._bulk.append(self._client.lines(record, self._counters[kind]))
                self._seen = position
            if self._bulk and len(self._bulk) >= self.arguments.bulk_size:
                await self.flush()
        self._seen = self.position = position

    async def flush(self) -> None:
        """Send the bulk, if there is one, and acknowledge it."""
        if self._bulk:
            lines = [line for both in self._bulk for line in both]
            await self._ask(self._client.bulk(lines))
            self._bulk.clear()
        self.kept = {"position": self._seen, "counters": dict(self._counters)}

    async def _ask(self, request: Request) -> None:
        try:
            answer = await self.connection.ask(request.encoded())
            problem = self._client.problem(request, answer)
        except BROKEN as error:
            raise ExportError(repr(error)) from error
        if problem:
            raise ExportError(problem)
