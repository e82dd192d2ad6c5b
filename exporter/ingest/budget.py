"""
The memory that all requests in progress share.

A request holds more and more while its body arrives. When there is no room left it
waits, unread, so that its client stops sending. The oldest of the large ones never
waits: somebody always gets on. Small ones have some room that no large one may take.
"""

import asyncio
from typing import Self

from exporter.errors import ExporterError

MIB = 1024 * 1024
SIZE = 64 * MIB
RESERVED = 16 * MIB
"""Room for small requests alone."""
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


class Budget:
    """Room for requests; for the loop's thread alone."""

    def __init__(self, size: int = SIZE, reserved: int = RESERVED) -> None:
        """Let all hold *size* bytes, and small ones *reserved* bytes more."""
        self._size = size
        self._reserved = reserved
        self._held = 0
        self._large: dict[Share, None] = {}
        """Those that are no longer small, oldest first."""
        self._waiting = 0
        self._freed = asyncio.Event()

    def share(self) -> "Share":
        """Return what holds nothing yet; a `with` block gives back what it holds."""
        return Share(self)

    async def hold(self, share: "Share", size: int) -> None:
        """Let *share* hold *size* bytes, when there is room; else raise `BusyError`."""
        if size > SMALL:
            self._large.setdefault(share)
        if not self._fits(share, size):
            await self._room(share, size)
        self._held += size - share.size
        share.size = size

    def release(self, share: "Share") -> None:
        """Take back all that *share* holds."""
        self._held -= share.size
        share.size = 0
        self._large.pop(share, None)
        self._freed.set()
        self._freed = asyncio.Event()

    def _fits(self, share: "Share", size: int) -> bool:
        limit = self._size + (self._reserved if size <= SMALL else 0)
        return (
            self._held - share.size + size <= limit
            or next(iter(self._large), None) is share
        )

    async def _room(self, share: "Share", size: int) -> None:
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


class Share:
    """What one request holds."""

    def __init__(self, budget: Budget) -> None:
        """Hold nothing of *budget*."""
        self._budget = budget
        self.size = 0

    async def hold(self, size: int) -> None:
        """Hold *size* bytes from now on; raises `BusyError`."""
        await self._budget.hold(self, size)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give all of it back."""
        self._budget.release(self)
