"""Wait for the breaker: requests queue here until it lets them through."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from exporter.delivery.breaker import Breaker, Cause, State, Ticket


class Gate:
    """
    Lets as many requests through as *breaker* allows, first come, first served.

    Risky requests have a queue of their own, so that they don't delay the others.
    *switched* gets the cause when the breaker opens, and None when it closes.
    """

    def __init__(
        self, breaker: Breaker, switched: Callable[[Cause | None], None]
    ) -> None:
        self._breaker = breaker
        self._switched = switched
        self._cause = breaker.cause
        self._queues = {False: asyncio.Lock(), True: asyncio.Lock()}
        self._last_probe_risky: bool | None = None
        self._woken = asyncio.Event()
        self.stopped = False
        """Whether no request is let through any more."""

    async def ticket(self, *, risky: bool = False) -> Ticket:
        """Return the permission for one request, as soon as there is one."""
        # In order, so that every slot's piece is a probe at some time.
        async with self._queues[risky]:
            while True:
                # Read the pause before asking. Otherwise it could end in between,
                # and nothing would wake this task.
                pause = self._breaker.pause
                if not self.stopped and (ticket := self._begin(risky)):
                    self._woken.set()  # the other queue may now get all slots
                    return ticket
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause or None):
                        await self._woken.wait()

    def wake(self) -> None:
        """Make waiting requests ask again, because the breaker may have changed."""
        self._woken.set()
        if self._breaker.cause is not self._cause:
            self._cause = self._breaker.cause
            self._switched(self._cause)

    def _begin(self, risky: bool) -> Ticket | None:  # noqa: FBT001
        shared = self._queues[not risky].locked()
        is_open = self._breaker.state is State.OPEN
        if is_open and shared and risky is self._last_probe_risky:
            return None  # the queues take turns with probes
        ticket = self._breaker.begin(risky=risky, shared=shared)
        if ticket and ticket.probe:
            self._last_probe_risky = risky
        return ticket
