"""A TCP proxy that breaks connections off, refuses them, or answers nonsense."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Self

from exporter.demo.ports import LOOPBACK, free_port
from tests.faults.history import History
from tests.faults.plan import Cuts
from tests.faults.sockets import reset

READ = 64 * 1024
NONSENSE = b"\x15\x03\x01\x00\x02\x02\x50 this is neither TLS nor HTTP\r\n\r\n"


class CutError(Exception):
    """The connection has carried as much as it may."""


class StubProxy:
    """Carries connections to `target`, which may change at any time."""

    def __init__(self, history: History, cuts: Cuts, target: int = 0) -> None:
        """Carry to port *target*, as far as *cuts* lets; 0 is nowhere yet."""
        self._history = history
        self._cuts = cuts
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.target = target
        self.port = free_port()
        self.nonsense = False
        """Whether it answers by itself what no client can read."""

    async def __aenter__(self) -> Self:
        """Listen within the block."""
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave no connection behind."""
        await self.refuse()

    async def listen(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def refuse(self) -> None:
        """Close the listener and all connections: as if nobody was there."""
        if self._server:
            self._server.close()
            self._server = None
        await self.drop()

    async def drop(self) -> None:
        """Break off all connections."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def heal(self) -> None:
        """Break off nothing more; connections that were to be have their end now."""
        self._cuts.healed = True
        for task in self._open:
            task.cancel()

    async def away(self, seconds: float) -> None:
        """Refuse connections for *seconds*."""
        await self.refuse()
        await asyncio.sleep(seconds)
        await self.listen()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            await self._carry(reader, writer)
        except (CutError, asyncio.CancelledError):  # cancelled by `drop` alone
            self._history.cuts += 1
            reset(writer.transport)
        finally:
            self._open.discard(task)
            writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.nonsense:
            self._history.cuts += 1
            with contextlib.suppress(OSError):
                await reader.read(READ)
                writer.write(NONSENSE)
                await writer.drain()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            return
        cut = self._cuts.next()
        upwards = cut.after if cut and cut.upwards else None
        downwards = cut.after if cut and not cut.upwards else None
        try:
            await _first_end(
                _pump(reader, up_writer, upwards), _pump(up_reader, writer, downwards)
            )
        except (CutError, asyncio.CancelledError):
            reset(up_writer.transport)
            raise
        finally:
            up_writer.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: int | None
) -> None:
    """Carry what comes until either end closes; `CutError` behind *allowed* bytes."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ):
            if allowed is None:
                writer.write(data)
            else:
                writer.write(data[:allowed])
                allowed -= len(data)
            await writer.drain()
            if allowed is not None and allowed < 0:
                raise CutError


async def _first_end(*pumps: Awaitable[None]) -> None:
    """Run *pumps* until one of them ends, and end as it does."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
