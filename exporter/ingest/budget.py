"""
The memory that all requests in progress share.

A request holds more memory while its body arrives. Without room it isn't read on, so
its client stops sending. The oldest large request never waits, so one request always
makes progress. Some room is reserved for small requests.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.base.errors import ExporterError

MIB = 1024 * 1024
SIZE, RESERVED = 64 * MIB, 16 * MIB
"""Bytes for all requests, and additional bytes for small ones."""
SMALL = 256 * 1024
WAIT_SECONDS = 20.0
"""Less than a broker waits for an answer (30 s)."""
MOST_WAITING = 64
"""Each waiting request has a buffer of its connection that isn't counted."""


class BusyError(ExporterError):
    """There was no room for a request in time."""

    def __init__(self) -> None:
        """Tell the broker's operator what to do."""
        super().__init__(
            "Too many large requests are in progress",
            remedy="Nothing is lost: the broker sends this one again. If it lasts, "
            "lower bulk.memoryLimit of its exporter, or find out which other clients "
            "send here",
        )


class Share:
    """How many bytes one request holds."""

    size = 0


class Budget:
    """Room for requests; used by the loop's thread only."""

    def __init__(self, size: int = SIZE, reserved: int = RESERVED) -> None:
        """Give all requests *size* bytes, and small ones *reserved* bytes more."""
        self._size, self._reserved = size, reserved
        self._held = self._waiting = 0
        self._large: dict[Share, None] = {}
        """Requests that are no longer small, oldest first."""
        self._freed = asyncio.Event()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Yield an empty share; after the block, release the bytes it holds."""
        share = Share()
        try:
            yield share
        finally:
            self._held -= share.size
            self._large.pop(share, None)
            self._freed.set()
            self._freed = asyncio.Event()

    async def hold(self, share: Share, size: int) -> None:
        """Let *share* hold *size* bytes once there is room, or raise `BusyError`."""
        if size > SMALL:
            self._large.setdefault(share)
        if not self._fits(share, size):
            if self._waiting >= MOST_WAITING:
                raise BusyError
            self._waiting += 1
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    while not self._fits(share, size):
                        await self._freed.wait()
            except TimeoutError:
                raise BusyError from None
            finally:
                self._waiting -= 1
        self._held += size - share.size
        share.size = size

    def _fits(self, share: Share, size: int) -> bool:
        others = self._held - share.size
        if others + size <= self._size or next(iter(self._large), None) is share:
            return True
        # However much the oldest large one holds, and for however long.
        large = sum(each.size for each in self._large)
        return size <= SMALL and others - large + size <= self._reserved
