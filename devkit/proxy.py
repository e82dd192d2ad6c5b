"""A proxy that cuts connections, answers by itself, or is down."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple, Self

from devkit.backend import close, reset
from devkit.processes import LOOPBACK, free_port

READ = 64 * 1024
NONSENSE = b"\x15\x03\x01\x00\x02\x02\x50 this is neither TLS nor HTTP\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Cut(NamedTuple):
    """The point to cut a connection: *after* this many bytes in one direction."""

    upwards: bool
    """Count the bytes of the client, or else of the server."""
    after: int


class CutError(Exception):
    """A connection has reached its cut."""


class Proxy:
    """
    Forwards connections to the port `target`; `async with` runs it.

    It forwards bytes; as an *http* proxy, it forwards tunnels and plain requests.
    """

    def __init__(
        self,
        target: int = 0,
        *,
        http: bool = False,
        next_cut: Callable[[], Cut | None] = lambda: None,
    ) -> None:
        """Cut each connection where *next_cut* says."""
        self.target = target
        self.port = free_port()
        self.answer: bytes | None = None
        """An answer to every connection in place of the target's."""
        self.heads: list[str] = []
        """Request heads that an HTTP proxy received."""
        self.cuts = 0
        """The number of connections cut on purpose."""
        self._http = http
        self._next_cut = next_cut
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None] | None] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the port and all connections."""
        await self.down()

    async def up(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def down(self) -> None:
        """Refuse new connections and cut all open ones."""
        if self._server:
            await close(self._server)
            self._server = None
        await self.drop()

    async def drop(self) -> None:
        """Cut all connections."""
        tasks = [task for task in self._open if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task, ends = asyncio.current_task(), [writer]
        self._open.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._carry(reader, ends)
        except (CutError, asyncio.CancelledError):  # only `drop` cancels it
            self.cuts += 1
            for each in ends:
                reset(each.transport)
        finally:
            self._open.discard(task)
            for each in ends:
                each.close()

    async def _carry(
        self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter]
    ) -> None:
        """Forward a connection to the target; add the target's writer to *ends*."""
        (writer,) = ends
        head = await reader.readuntil(b"\r\n\r\n") if self._http else b""
        self.heads += [head.decode()] if head else []
        if self.answer is not None:
            self.cuts += 1
            _ = head or await reader.read(READ)
            writer.write(self.answer)
            await writer.drain()
            return
        up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self.target)
        ends.append(up_writer)
        if head.startswith(b"CONNECT "):
            writer.write(ESTABLISHED)
        elif head:
            method, url, rest = head.split(b" ", 2)
            up_writer.write(b" ".join([method, b"/" + url.split(b"/", 3)[3], rest]))
        cut = self._next_cut()
        upwards = cut.after if cut and cut.upwards else None
        downwards = cut.after if cut and not cut.upwards else None
        pumps = [
            asyncio.ensure_future(_pump(reader, up_writer, upwards)),
            asyncio.ensure_future(_pump(up_reader, writer, downwards)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in pumps:
                each.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: int | None
) -> None:
    """Forward bytes until either end closes; raise `CutError` after *allowed* bytes."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ):
            writer.write(data if allowed is None else data[:allowed])
            await writer.drain()
            if allowed is not None:
                allowed -= len(data)
                if allowed < 0:
                    raise CutError
