"""
Read the bodies of bulk requests, with limits on size, time and memory.

All limits are above everything that a broker sends, because it repeats a refused body
forever. A request needs more memory while its body arrives. If there is no room, the
exporter stops reading it, and then its client stops sending. The oldest large request
never waits, so one request always makes progress. Small requests have reserved room.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import aiohttp
from aiohttp import web

from exporter.ingest.answers import RefusedError
from exporter.ingest.bulk import Bulk

MIB = 1024 * 1024
ROOM, RESERVED = 64 * MIB, 16 * MIB
"""Bytes for all requests, and additional bytes for small ones."""
SMALL = 256 * 1024
LARGEST_BODY = 128 * MIB
"""A broker sends 10 MiB and one record. Above 100 MB, it warns about its setting."""
MOST_RECORDS = 250_000
"""Records in one body; a broker sends 1,000 by default."""
RECORD_BYTES = 1024
"""Memory for each record in addition to its bytes."""
SLICE = 16 * 1024
"""Bytes to parse at once; with very short lines, this takes some 20 ms."""
TURN_SECONDS = 0.005
"""How long one large body is read before the next one."""
BODY_SECONDS = 120.0
"""A broker has the whole body in memory before it sends the first byte."""
WAIT_SECONDS = 20.0
"""How long to wait for room: less than a broker waits for an answer (30 s)."""
MOST_WAITING = 64
"""The connection of each waiting request has a buffer that isn't counted."""


class Uploads:
    """All requests in progress: *room* for all, and *reserved* room for small ones."""

    def __init__(self, *, room: int = ROOM, reserved: int = RESERVED) -> None:
        self._room, self._reserved = room, reserved
        self._held = self._waiting = 0
        self._large: dict[Bulk, None] = {}
        """Requests that are no longer small, oldest first."""
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._timeouts: set[asyncio.Timeout] = set()
        """One for each arriving body; they expire early when the service stops."""
        self._stopping = False

    async def stop(self, _: web.Application) -> None:
        """End all uploads: the broker sends them again."""
        self._stopping = True
        for timeout in self._timeouts:
            if not timeout.expired():
                timeout.reschedule(0)

    @contextmanager
    def counting(self, bulk: Bulk) -> Iterator[None]:
        """Count the memory of *bulk* until the end of the block."""
        try:
            yield
        finally:
            self._held -= bulk.memory
            self._large.pop(bulk, None)
            self._freed.set()
            self._freed = asyncio.Event()

    async def read(self, request: web.Request, bulk: Bulk) -> None:
        """Read the body of *request* into *bulk*; raises `RefusedError`."""
        timeout = asyncio.timeout(0 if self._stopping else BODY_SECONDS)
        self._timeouts.add(timeout)
        try:
            async with timeout:
                return await self._read(request, bulk)
        except TimeoutError:
            if self._stopping:
                status, reason = HTTPStatus.SERVICE_UNAVAILABLE, "The exporter stops"
            else:
                status, reason = HTTPStatus.REQUEST_TIMEOUT, "The body took too long"
        except (aiohttp.ClientError, web.RequestPayloadError, OSError) as error:
            # The request refers to the error, and its traceback to the body.
            error.with_traceback(None)
            status, reason = HTTPStatus.BAD_REQUEST, f"The body is incomplete ({error})"
        finally:
            self._timeouts.remove(timeout)
        raise RefusedError(status, f"{reason}, so nothing of it is stored")

    async def _read(self, request: web.Request, bulk: Bulk) -> None:
        received, turn_ends = 0, 0.0
        async for chunk in request.content.iter_any():
            for start in range(0, len(chunk), SLICE):
                part = chunk[start : start + SLICE]
                received += len(part)
                if received > LARGEST_BODY or len(bulk.answers) > MOST_RECORDS:
                    raise RefusedError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The request has more than {LARGEST_BODY} bytes or "
                        f"{MOST_RECORDS} records: lower bulk.memoryLimit or bulk.size "
                        "of the broker's exporter",
                    )
                await self.hold(bulk, received + len(bulk.answers) * RECORD_BYTES)
                if bulk.memory > SMALL and time.monotonic() > turn_ends:
                    # Small requests don't wait for a turn.
                    async with self._turn:
                        await asyncio.sleep(0)
                    turn_ends = time.monotonic() + TURN_SECONDS
                bulk.feed(part)
        bulk.end()

    async def hold(self, bulk: Bulk, size: int) -> None:
        """Wait until *bulk* can have *size* bytes; raises `RefusedError`."""
        if size > SMALL:
            self._large.setdefault(bulk)
        if not self._fits(bulk, size):
            await self._wait(bulk, size)
        self._held += size - bulk.memory
        bulk.memory = size

    async def _wait(self, bulk: Bulk, size: int) -> None:
        waiting_seconds = WAIT_SECONDS if self._waiting < MOST_WAITING else 0
        self._waiting += 1
        try:
            async with asyncio.timeout(waiting_seconds):
                while not self._fits(bulk, size):
                    await self._freed.wait()
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many large requests are in progress. Nothing is lost: the broker "
                "sends this request again. If this continues, lower bulk.memoryLimit "
                "of its exporter, or find out which other clients send requests here",
            ) from None
        finally:
            self._waiting -= 1

    def _fits(self, bulk: Bulk, size: int) -> bool:
        others = self._held - bulk.memory
        if others + size <= self._room or next(iter(self._large), None) is bulk:
            return True
        # Large requests don't count here: the oldest one may exceed the room.
        large = sum(each.memory for each in self._large)
        return size <= SMALL and others - large + size <= self._reserved
