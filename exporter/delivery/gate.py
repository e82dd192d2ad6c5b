"""The wait for the breaker: whoever wants to post asks here, and goes in turn."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

from exporter.delivery.backend import Backend
from exporter.delivery.breaker import Breaker, Cause, State, Ticket

LOOK_SECONDS = 1.0
"""How often a blocked backend's credentials are looked at for a change."""


class Gate:
    """
    Lets as many through as *breaker* allows, first come, first served.

    There are two queues: risky requests must not keep the others waiting.
    """

    def __init__(
        self,
        breaker: Breaker,
        backend: Backend,
        switched: Callable[[Cause | None], None],
    ) -> None:
        """
        Ask *breaker*, and tell *switched* why it opens, or None when it closes.

        While it is blocked, *backend* may have new credentials.
        """
        self._breaker = breaker
        self._backend = backend
        self._switched = switched
        self._cause = breaker.cause
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}
        self._probed: bool | None = None
        """Which queue the last probe came from: they take turns."""
        self._woken = asyncio.Event()
        self.closed = False
        """Whether nobody may go any more."""

    async def ticket(self, *, risky: bool = False) -> Ticket:
        """Return the permission for one request, as soon as there is one."""
        # One after the other, so that each slot's piece is the probe sometimes.
        async with self._turns[risky]:
            while True:
                # Read before asking: nobody wakes a task that waits for a pause, so a
                # pause that ends in between must not be waited for.
                pause = self._breaker.pause
                if not self.closed and (ticket := self._begin(risky)):
                    self._woken.set()  # the other queue is not shared with us any more
                    return ticket
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._wait(pause)):
                        await self._woken.wait()

    def wake(self) -> None:
        """Let waiting tasks look again: the breaker has learned something."""
        self._woken.set()
        if self._breaker.cause is not self._cause:
            self._cause = self._breaker.cause
            self._switched(self._cause)

    def _begin(self, risky: bool) -> Ticket | None:  # noqa: FBT001
        shared = self._turns[not risky].locked()
        if shared and risky is self._probed and self._breaker.state is State.OPEN:
            return None  # the other one wakes at the same time, and is the probe
        ticket = self._breaker.begin(risky=risky, shared=shared)
        if ticket and ticket.probe:
            self._probed = risky
        return ticket

    def has_news(self) -> bool:
        """Whether a blocked backend has new credentials, which end the pause."""
        blocked = self._breaker.cause is Cause.BLOCKED
        news = blocked and self._backend.credentials_changed()
        if news:
            self._breaker.hurry()
        return news

    def look_again(self, seconds: float) -> float | None:
        """Return how long to wait at most, of *seconds*; None is for ever."""
        if self._breaker.cause is Cause.BLOCKED:
            return min(seconds, LOOK_SECONDS)
        return seconds if seconds < math.inf else None

    def _wait(self, pause: float) -> float | None:
        """Return after how many seconds to look again; None is not by itself."""
        if not pause:
            return None
        return self.look_again(self._breaker.pause if self.has_news() else pause)
