"""
When a backend may be asked again: one clock for all of its slots.

A postponed answer says something about the backend, not about the batch, so it holds up
every slot. The exception is a batch that fails while others get through.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import backoff

FIRST_SECONDS = 1.0
"""The longest first wait; with full jitter half of it on average."""
LONGEST_SECONDS = 60.0


def waits() -> Iterator[float]:
    """Return ever longer waits in seconds, each drawn between zero and its bound."""
    bounds = backoff.expo(factor=FIRST_SECONDS, max_value=LONGEST_SECONDS)
    next(bounds)  # the generator's first value only starts it
    return (backoff.full_jitter(bound) for bound in bounds)


class Clock:
    """The pause of one backend. Times are seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin without a pause."""
        self._now = now
        self._waits = waits()
        self._until = 0.0
        self._failed = 0.0
        self._succeeded = 0.0
        self._woken = asyncio.Event()

    def succeeded(self) -> None:
        """End the pause: the backend accepted something. The next begins short."""
        self._succeeded = self._now()
        self._waits = waits()
        self.wake()

    def failed(self, started: float, at_most: float = LONGEST_SECONDS) -> bool:
        """
        Pause *at_most* so long, and return True.

        Returns False when others got through since *started*: then it's not the
        backend that fails, but this batch.

        Attempts that began before the last failure belong to it: a backend that
        refuses four slots at once has failed once.
        """
        if self._succeeded > started:
            return False
        if started >= self._failed:
            self._failed = self._now()
            self._until = self._failed + min(next(self._waits), at_most)
        return True

    @property
    def remaining(self) -> float:
        """Seconds until the backend may be asked again."""
        return max(0.0, self._until - self._now())

    async def wait(self) -> None:
        """Return when the backend may be asked again."""
        while self.remaining:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.remaining):
                    await self._woken.wait()

    def wake(self) -> None:
        """End the pause now."""
        self._until = 0.0
        self._woken.set()
