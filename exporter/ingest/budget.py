"""
Limit the memory of all requests in progress.

A request needs more memory while its body arrives. If there is no room, the exporter
stops reading it, and then its client stops sending. The oldest large request never
waits, so one request always makes progress. Small requests have reserved room.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from exporter.ingest.refusals import RefusedError

MIB = 1024 * 1024
SIZE, RESERVED = 64 * MIB, 16 * MIB
"""Bytes for all requests, and additional bytes for small ones."""
SMALL = 256 * 1024
WAIT_SECONDS = 20.0
"""Less than a broker waits for an answer (30 s)."""
MOST_WAITING = 64
"""The connection of each waiting request has a buffer that isn't counted."""


BUSY = (
    "Too many large requests are in progress. Nothing is lost: the broker sends this "
    "request again. If this continues, lower bulk.memoryLimit of its exporter, or find "
    "out which other clients send requests here"
)


class Share:
    """The bytes of one request."""

    size = 0


class Budget:
    """Room for *size* bytes, and *reserved* more bytes for small requests."""

    def __init__(self, size: int = SIZE, reserved: int = RESERVED) -> None:
        self._size, self._reserved = size, reserved
        self._held = self._waiting = 0
        self._large: dict[Share, None] = {}
        """Requests that are no longer small, oldest first."""
        self._freed = asyncio.Event()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Yield an empty share, and free its bytes after the block."""
        share = Share()
        try:
            yield share
        finally:
            self._held -= share.size
            self._large.pop(share, None)
            self._freed.set()
            self._freed = asyncio.Event()

    async def hold(self, share: Share, size: int) -> None:
        """Wait until *share* can hold *size* bytes; raises `RefusedError`."""
        if size > SMALL:
            self._large.setdefault(share)
        if not self._fits(share, size):
            if self._waiting >= MOST_WAITING:
                raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, BUSY)
            self._waiting += 1
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    while not self._fits(share, size):
                        await self._freed.wait()
            except TimeoutError:
                raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, BUSY) from None
            finally:
                self._waiting -= 1
        self._held += size - share.size
        share.size = size

    def _fits(self, share: Share, size: int) -> bool:
        others = self._held - share.size
        if others + size <= self._size or next(iter(self._large), None) is share:
            return True
        # Large requests don't count here: the oldest one may exceed the budget.
        large = sum(each.size for each in self._large)
        return size <= SMALL and others - large + size <= self._reserved
