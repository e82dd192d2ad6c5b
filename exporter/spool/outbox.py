"""
The waiting events of one backend: `take` the next batch, then `settle` or `reject` it.

The file holds all events. Memory holds the order of the next few thousand events, and
the bodies of some. So neither opening nor memory depends on the size of the backlog.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import TypeVar

from exporter.spool.batch import Batch, Limits
from exporter.spool.dead_letters import Rejection
from exporter.spool.errors import SpoolFailedError
from exporter.spool.lanes import Lanes, Place
from exporter.spool.store import Store
from exporter.spool.totals import EVENT
from exporter.spool.waiting import Entry
from exporter.spool.writer import Writer

AHEAD = 4096
"""Ready events in memory; with fewer than half of them, the file is read."""
MOST_KNOWN = 200_000
"""Events in memory, ready or not, without the bodies of failed ones."""
PAGE = 512
PAGE_BYTES = 4 * 1024 * 1024
CACHE_BYTES = 4 * 1024 * 1024
CACHED_PER_LANE = 64
RETRY_SECONDS = 1.0

T = TypeVar("T")


class Outbox:
    """The waiting events of one backend; for the event loop's thread alone."""

    def __init__(self, writer: Writer, store: Store, backend: str) -> None:
        self._writer = writer
        self._store = store
        self._backend = backend
        self._lanes = Lanes()
        self._cache: dict[int, Entry] = {}
        self._cached_bytes = 0
        self._newest = store.waiting.newest(backend)
        self._known_to = 0
        """All waiting events up to this sequence are in the lanes."""
        self._reading = False
        self._hurried = False
        self._taking = 0
        """The number of batches that are being read from the file."""
        self._overfull = False
        """Whether the last batch left ready events behind."""
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self.waiting = store.totals.of(EVENT, backend).rows
        """The number of events that are not settled."""
        self.empty = asyncio.Event()
        """Set while no event waits and none is in flight."""
        if not self.waiting:
            self.empty.set()

    def accepted(self, entries: Sequence[Entry]) -> None:
        """Add *entries*, which were just committed after all others."""
        caught_up = self._known_to == self._newest
        self._newest = entries[-1].sequence
        self.waiting += len(entries)
        self.empty.clear()
        room = self._lanes.ready < AHEAD and self._lanes.known < MOST_KNOWN
        if caught_up and room:
            self._learn(entries, known_to=self._newest)
        self._changed.set()

    async def take(self, limits: Limits, *, newest: bool = False) -> Batch:
        """
        Wait for ready events, and take the oldest ones, or the *newest*.

        All are of one physical tenant. Later events of their lanes wait for them.
        """
        async with self._turn:
            await self._ready(1)
            if limits.linger_seconds and not self._overfull:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limits.linger_seconds):
                        await self._ready(limits.events)
            take = self._lanes.take_newest if newest else self._lanes.take
            return await self._fetch(take(limits.events), limits)

    async def load(self, sequences: Sequence[int], size: int = 1) -> Batch:
        """Return the first of the taken events at *sequences*: about *size* bytes."""
        cache = self._cache
        found = {number: cache[number] for number in sequences if number in cache}
        if missing := [number for number in sequences if number not in found]:
            load = partial(self._store.waiting.at, self._backend, missing, size)
            found |= {entry.sequence: entry for entry in await self._persist(load)}
        return Batch([found[n] for n in takewhile(found.__contains__, sequences)])

    @property
    def exhausted(self) -> bool:
        """Whether no event can be taken until a taken event is settled."""
        return self._all_known() and not self._lanes.ready and not self._taking

    def hurry(self) -> None:
        """Stop waiting for batches to become full."""
        self._hurried = True
        self._changed.set()

    async def settle(self, batch: Batch) -> None:
        """Delete *batch*, which was delivered; retry while the disk fails."""
        # While no other event waits, nobody needs the commit soon: see `Writer.do`.
        urgent = self._hurried or self.waiting > len(batch.entries)
        await self._persist(
            partial(self._store.waiting.remove, self._backend, batch.entries),
            partial(self._settled, batch),
            urgent=urgent,
        )

    async def reject(self, batch: Batch, rejection: Rejection) -> None:
        """Turn *batch* into dead letters; retry while the disk fails."""
        await self._persist(
            partial(self._store.reject, self._backend, batch.entries, rejection),
            partial(self._settled, batch),
        )

    async def discard(self, size: int) -> Batch:
        """
        Delete about *size* bytes of the oldest events that aren't taken.

        The batch is empty if there are none. Raises `SpoolFailedError`; then nothing is
        deleted.
        """
        limits = Limits(events=PAGE, bytes=max(1, size), identities=sys.maxsize)
        self._look_ahead(PAGE)
        while not (places := self._lanes.take(PAGE) or self._lanes.take_blocked(PAGE)):
            if not self._reading:
                return Batch(())
            # Work runs in order, so the page that is being read comes first.
            await self._writer.do(lambda: None)
        batch = await self._fetch(places, limits)
        if batch.entries:
            settle = partial(self._store.waiting.remove, self._backend, batch.entries)
            try:
                await self._writer.do(settle, partial(self._settled, batch))
            except SpoolFailedError:
                self.give_back(batch.entries)
                raise
        return batch

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Put taken *entries* back where they were."""
        for entry in entries:
            self._remember(entry)
        self._lanes.give_back(_places(entries))
        self._changed.set()

    async def _ready(self, count: int) -> None:
        while True:
            self._look_ahead()
            if self._lanes.ready >= (1 if self._hurried else count):
                return
            self._changed.clear()
            await self._changed.wait()

    def _all_known(self, more: int = 0) -> bool:
        """Whether memory has all events, or *more* than it should hold."""
        most = self._lanes.known >= MOST_KNOWN + more
        return most or self._known_to == self._newest

    def _look_ahead(self, more: int = 0) -> None:
        """Start reading from the file if too few events are ready."""
        enough = self._lanes.ready >= AHEAD // 2 or self._all_known(more)
        if enough or self._reading:
            return
        self._reading = True
        read = self._store.waiting.page
        page = partial(read, self._backend, self._known_to, PAGE, PAGE_BYTES)
        self._writer.do(page, self._read).add_done_callback(self._check_read)

    def _read(self, page: tuple[Sequence[Entry], int]) -> None:
        self._reading = False
        entries, complete_to = page
        # A failed transaction leaves a gap in the sequences after the newest event.
        self._newest = max(self._newest, complete_to)
        self._learn(entries, known_to=complete_to)
        self._changed.set()
        self._look_ahead()

    def _check_read(self, future: asyncio.Future[tuple[list[Entry], int]]) -> None:
        if not future.cancelled() and future.exception():
            self._reading = False
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._look_ahead)

    def _learn(self, entries: Sequence[Entry], known_to: int) -> None:
        self._known_to = known_to
        for entry in entries:
            ahead = self._lanes.add(entry.sequence, entry.event.lane)
            # One lane with many events must not fill the cache.
            if ahead < CACHED_PER_LANE:
                self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        """Cache *entry* while there is room."""
        if self._cached_bytes < CACHE_BYTES:
            self._cache[entry.sequence] = entry
            self._cached_bytes += len(entry.event.body)

    async def _fetch(self, places: Sequence[Place], limits: Limits) -> Batch:
        """Return the events at *places* that fit in *limits*; put the others back."""
        self._taking += 1
        try:
            loaded = await self.load([n for n, _ in places], limits.bytes)
        finally:
            self._taking -= 1
        fitting = limits.fitting(loaded.entries)
        batch = Batch(loaded.entries[:fitting])
        self._overfull = fitting < len(places)
        if self._overfull:
            self._lanes.give_back(places[fitting:])
        for number, event in batch.entries:
            if self._cache.pop(number, None):
                self._cached_bytes -= len(event.body)
        return batch

    def _settled(self, batch: Batch, _: None) -> None:
        self._lanes.release(_places(batch.entries))
        self.waiting -= len(batch.entries)
        if not self.waiting:
            self.empty.set()
        self._changed.set()

    async def _persist(
        self,
        call: Callable[[], T],
        then: Callable[[T], None] = lambda _: None,
        *,
        urgent: bool = True,
    ) -> T:
        """Run *call* in a transaction, and repeat it until one succeeds."""
        while True:
            try:
                return await self._writer.do(call, then, urgent=urgent)
            except SpoolFailedError:
                await asyncio.sleep(RETRY_SECONDS)


def _places(entries: Sequence[Entry]) -> list[Place]:
    return [(sequence, event.lane) for sequence, event in entries]
