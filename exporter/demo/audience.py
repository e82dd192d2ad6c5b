"""Watch what arrives at the backend: show each event, and let somebody react to it."""

import asyncio
from collections.abc import Awaitable, Callable

from exporter.demo.backend import Arrival, Backend
from exporter.demo.screen import Screen

# After so long without an event the rest is missing.
PATIENCE_SECONDS = 20


class Audience:
    """Whoever sits behind the backend and sees its events one by one."""

    def __init__(
        self, backend: Backend, screen: Screen, latency: Callable[[Arrival], float]
    ) -> None:
        """Show on *screen* what reaches *backend*; *latency* is in seconds."""
        self._backend = backend
        self._screen = screen
        self._latency = latency
        self._numbers: dict[str, int] = {}
        self._seen: set[str] = set()

    async def watch(
        self, events: int, react: Callable[[Arrival], Awaitable[None]]
    ) -> None:
        """Return after so many different *events*, or when no more come."""
        while len(self._seen) < events:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    arrival = await self._backend.news.get()
            except TimeoutError:
                return
            self._show(arrival)
            if arrival.identity not in self._seen:
                self._seen.add(arrival.identity)
                await react(arrival)

    async def stay(self) -> None:
        """Watch until cancelled."""
        while True:
            self._show(await self._backend.news.get())

    def _show(self, arrival: Arrival) -> None:
        number = self._numbers.setdefault(arrival.instance, len(self._numbers) + 1)
        self._screen.event(number, arrival, self._latency(arrival))
