"""
A stub of a broker's exporters, with one connection per partition.

A partition repeats a bulk request until it succeeds, and only then sends the next one.
At random, a partition restarts: it sends its last records again, in different bulks.
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
BACKLOG_SECONDS = 0.1
LARGEST_BULK = 50
SNAPSHOT = 300
"""The largest number of records that a partition sends again."""


@dataclass(frozen=True, slots=True)
class Load:
    """The rate and contents of the broker's requests."""

    events_per_second: float = 3000
    partitions: int = 3
    restarts: float = 0.02
    """The probability of a restart per bulk request."""
    contents: Contents = field(default_factory=Contents)


class StubBroker:
    """Sends records until `finish`."""

    def __init__(self, history: History, url: str, seed: str, load: Load) -> None:
        self._history = history
        self._url = url
        self._seed = seed
        self._load = load
        self._finishing = False
        self.events_per_second = load.events_per_second
        """The limit for all partitions together. A test may change it at any time."""

    async def run(self) -> None:
        """Send until `finish`, then wait for the running requests."""
        async with asyncio.TaskGroup() as partitions:
            for number in range(1, self._load.partitions + 1):
                partitions.create_task(self._export(number), name=f"partition-{number}")

    def finish(self) -> None:
        """Start no more requests."""
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
                # Catch up at most BACKLOG_SECONDS after a time without answers.
                due = max(due, time.monotonic() - BACKLOG_SECONDS)
                due += len(events) * self._load.partitions / self.events_per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _insist(
        self, session: aiohttp.ClientSession, bulk: Sequence[Sent], events: list[str]
    ) -> None:
        """Send *bulk* until it succeeds."""
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
