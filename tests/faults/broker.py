"""
A broker's exporter, as the ingest port sees it: one connection per partition.

It repeats a bulk request until it's answered with success, and nothing later goes out
before. Now and then it restarts: then the last records come once more, cut anew.
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

REPEAT_SECONDS = 0.02
REQUEST_SECONDS = 10.0
BEHIND_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """How much the broker sends, and how."""

    events_per_second: float = 3000
    partitions: int = 3
    largest_bulk: int = 50
    restarts: float = 0.02
    """How often it restarts, per bulk request."""
    snapshot: int = 300
    """How many records come again at most, of each partition."""
    contents: Contents = field(default_factory=Contents)


class StubBroker:
    """Sends until it's told to finish."""

    def __init__(self, history: History, url: str, seed: str, load: Load) -> None:
        """Send to *url*, and note in *history* what was answered with success."""
        self._history = history
        self._url = url
        self._seed = seed
        self._load = load
        self._finishing = False
        self.events_per_second = load.events_per_second
        """Of all partitions together, at most; may change at any time."""

    async def run(self) -> None:
        """Return once all that was begun after `finish` is answered."""
        async with asyncio.TaskGroup() as partitions:
            for number in range(1, self._load.partitions + 1):
                partitions.create_task(self._export(number), name=f"partition-{number}")

    def finish(self) -> None:
        """Begin no other request."""
        self._finishing = True

    async def _export(self, partition: int) -> None:
        log = Log(partition, self._seed, self._history, self._load.contents)
        chance = random.Random(f"{self._seed}/broker/{partition}")  # noqa: S311
        recent: deque[Sent] = deque(maxlen=self._load.snapshot)
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
                size = chance.randint(1, self._load.largest_bulk)
                if again:
                    bulk = [again.popleft() for _ in range(min(size, len(again)))]
                else:
                    bulk = [log.next() for _ in range(size)]
                    recent.extend(bulk)
                await self._insist(session, bulk)
                # What was missed while nobody answered isn't made up for.
                due = max(due, time.monotonic() - BEHIND_SECONDS)
                due += self._seconds_for(bulk)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _insist(
        self, session: aiohttp.ClientSession, bulk: Sequence[Sent]
    ) -> None:
        """Send *bulk* until it's answered with success, however often."""
        body = b"".join(sent.data for sent in bulk)
        events = [sent.event for sent in bulk if sent.event]
        while not await self._accepted(session, body):
            self._history.repeats += len(events)
            await asyncio.sleep(REPEAT_SECONDS)
        self._history.answer(
            events, [sent.unmappable for sent in bulk if sent.unmappable]
        )

    async def _accepted(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        self._history.watch("tried")
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            async with session.post(self._url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _seconds_for(self, bulk: Sequence[Sent]) -> float:
        """Return how long the rate lets a partition take for *bulk*."""
        events = sum(bool(sent.event) for sent in bulk)
        return events * self._load.partitions / self.events_per_second
