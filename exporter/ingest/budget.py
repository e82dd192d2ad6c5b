"""
The memory that all requests in progress share.

A request holds more and more while its body arrives. Without room it waits, unread, so
that its client stops sending. The oldest large one never waits, so somebody always gets
on. Small ones have some room that no large one may take.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.errors import ExporterError

MIB = 1024 * 1024
SIZE, RESERVED = 64 * MIB, 16 * MIB
"""Room for all, and for small ones besides."""
SMALL = 256 * 1024
WAIT_SECONDS = 20.0
"""Less than a broker waits for an answer (30 s)."""
MOST_WAITING = 64
"""Each has a connection with a buffer that isn't counted."""


class BusyError(ExporterError):
    """There was no room for a request in time."""

    def __init__(self) -> None:
        """Say what a broker's operator needs to know."""
        super().__init__(
            "Too many large requests are in progress",
            remedy="Nothing is lost: the broker sends this one again. If it lasts, "
            "lower bulk.memoryLimit of its exporter, or look who else sends here",
        )


class Share:
    """How many bytes one request holds."""

    size = 0


class Budget:
    """Room for requests; for the loop's thread alone."""

    def __init__(self, size: int = SIZE, reserved: int = RESERVED) -> None:
        """Let all hold *size* bytes, and small ones *reserved* bytes more."""
        self._size, self._reserved = size, reserved
        self._held = self._waiting = 0
        self._large: dict[Share, None] = {}
        """Those that are no longer small, oldest first."""
        self._freed = asyncio.Event()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Yield what holds nothing yet, and take back what it holds after the block."""
        share = Share()
        try:
            yield share
        finally:
            self._held -= share.size
            self._large.pop(share, None)
            self._freed.set()
            self._freed = asyncio.Event()

    async def hold(self, share: Share, size: int) -> None:
        """Let *share* hold *size* bytes as soon as there is room; or `BusyError`."""
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
        limit = self._size + (self._reserved if size <= SMALL else 0)
        fits = self._held - share.size + size <= limit
        return fits or next(iter(self._large), None) is share
