"""A proxy that cuts connections, answers by itself, or is down."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from devkit.backend import Listener, reset
from devkit.processes import LOOPBACK
from devkit.waiting import ended

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


class Proxy(Listener):
    """
    Forwards connections to the port `target`.

    It forwards bytes; as an *http* proxy, it forwards tunnels and plain requests.
    """

    def __init__(
        self,
        target: int = 0,
        *,
        port: int = 0,
        http: bool = False,
        next_cut: Callable[[], Cut | None] = lambda: None,
    ) -> None:
        """Cut each connection where *next_cut* says."""
        super().__init__(port)
        self.target_host, self.target = LOOPBACK, target
        self.answer: bytes | None = None
        """An answer to every connection in place of the target's."""
        self.heads: list[str] = []
        """Request heads that an HTTP proxy received."""
        self.cuts = 0
        """The number of connections cut on purpose."""
        self._http = http
        self._next_cut = next_cut
        self._open: set[asyncio.Task[None] | None] = set()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self.host, self.port)

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
        up_reader, up_writer = await asyncio.open_connection(
            self.target_host, self.target
        )
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
            asyncio.create_task(_pump(reader, up_writer, upwards)),
            asyncio.create_task(_pump(up_reader, writer, downwards)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(*pumps)


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
