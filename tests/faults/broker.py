"""
A broker's exporters as the ingest port sees them: one connection per partition.

A bulk request is repeated until it is answered with success, and nothing later is sent
before. Now and then a partition restarts: its last records are sent again, cut anew.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.faults.engine import Contents, Log, Sent
from tests.faults.history import History

HEADERS = {"Content-Type": "application/x-ndjson"}
REPEAT_SECONDS = 0.02
REQUEST_SECONDS = 10.0
BEHIND_SECONDS = 0.1
LARGEST_BULK = 50
SNAPSHOT = 300
"""How many records of a partition come again at most."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much the broker sends, and how."""

    events_per_second: float = 3000
    partitions: int = 3
    restarts: float = 0.02
    """How often a partition restarts, per bulk request."""
    contents: Contents = field(default_factory=Contents)


class StubBroker:
    """Sends until `finish`."""

    def __init__(self, history: History, url: str, seed: str, load: Load) -> None:
        """Send to *url*, and note in *history* what was answered with success."""
        self._history = history
        self._url = url
        self._seed = seed
        self._load = load
        self._finishing = False
        self.events_per_second = load.events_per_second
        """The limit of all partitions together. It may change at any time."""

    async def run(self) -> None:
        """Return once every request that was begun before `finish` is answered."""
        async with asyncio.TaskGroup() as partitions:
            for number in range(1, self._load.partitions + 1):
                partitions.create_task(self._export(number), name=f"partition-{number}")

    def finish(self) -> None:
        """Begin no other request."""
        self._finishing = True

    async def _export(self, partition: int) -> None:
        log = Log(partition, self._seed, self._history, self._load.contents)
        chance = random.Random(f"{self._seed}/broker/{partition}")  # noqa: S311
        recent: deque[Sent] = deque(maxlen=SNAPSHOT)
        again: deque[Sent] = deque()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        ) as session:
            due = time.monotonic()
            while not self._finishing:
                if not again and recent and chance.random() < self._load.restarts:
                    again.extend(list(recent)[chance.randrange(len(recent)) :])
                    self._history.repeats += sum(bool(sent.event) for sent in again)
                size = chance.randint(1, LARGEST_BULK)
                if again:
                    bulk = [again.popleft() for _ in range(min(size, len(again)))]
                else:
                    bulk = [log.next() for _ in range(size)]
                    recent.extend(bulk)
                events = [sent.event for sent in bulk if sent.event]
                await self._insist(session, bulk, events)
                # Time lost while nobody answered isn't made up for.
                due = max(due, time.monotonic() - BEHIND_SECONDS)
                due += len(events) * self._load.partitions / self.events_per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _insist(
        self, session: aiohttp.ClientSession, bulk: Sequence[Sent], events: list[str]
    ) -> None:
        """Send *bulk* until it is answered with success."""
        body = b"".join(sent.data for sent in bulk)
        while not await self._accepted(session, body):
            self._history.repeats += len(events)
            await asyncio.sleep(REPEAT_SECONDS)
        self._history.answer(
            events, [sent.unmappable for sent in bulk if sent.unmappable]
        )

    async def _accepted(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        self._history.watch("tried")
        try:
            async with session.post(self._url, data=body, headers=HEADERS) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
