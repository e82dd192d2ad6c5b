"""
What one backend still has to get: `take` the next batch, `settle` what became of it.

The file holds everything; memory holds the order of the next few thousand events and
the bodies of the newest. So neither opening nor memory depends on how much waits.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from exporter.events import DEFAULT_TENANT, Event
from exporter.spool.dead_letters import Verdict
from exporter.spool.errors import SpoolFailedError
from exporter.spool.lanes import Lanes, Place
from exporter.spool.store import Page, Store
from exporter.spool.waiting import Entry
from exporter.spool.writer import Writer

AHEAD = 2048
"""How many events that may go are known before the file is asked for more."""
MOST_KNOWN = 200_000
"""Likewise, of all: those that failed wait in memory, without their bodies."""
PAGE = 512
PAGE_BYTES = 4 * 1024 * 1024
CACHE_BYTES = 4 * 1024 * 1024
CACHED_PER_LANE = 64
RETRY_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may hold at most; a single event may always go."""

    events: int
    bytes: int
    """Of the bodies."""
    identities: int
    """Of the identities, joined with one byte between them."""
    prefix: int = 0
    """Bytes that come before every identity."""
    added: Callable[[str], int] = lambda _: 0
    """Bytes that an event of a tenant grows by when it is written, at most."""
    linger_seconds: float = 0
    """How long a batch waits to become full."""

    def fitting(self, entries: Sequence[Entry]) -> int:
        """Return how many of *entries* fit; the first one always does."""
        size = identities = -1  # the separators are one fewer than the events
        added = self.added(entries[0].event.tenant) if entries else 0
        for number, (_, event) in enumerate(entries):
            size += len(event.body) + added + 1
            identities += self.prefix + len(event.identity) + 1
            if number and (size > self.bytes or identities > self.identities):
                return number
        return len(entries)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events on their way to a backend, in order."""

    entries: Sequence[Entry]

    @property
    def events(self) -> list[Event]:
        """The events alone."""
        return [entry.event for entry in self.entries]

    @property
    def tenant(self) -> str:
        """The physical tenant of every event in it."""
        return self.entries[0].event.tenant if self.entries else DEFAULT_TENANT

    def __str__(self) -> str:
        """Return the name in log lines: the first and the last position."""
        return f"{self.entries[0].event.place}..{self.entries[-1].event.place}"


class Outbox:
    """The waiting events of one backend; for the loop's thread alone."""

    def __init__(self, writer: Writer, store: Store, backend: str) -> None:
        """Begin with the oldest event that *store* holds for *backend*."""
        self._writer = writer
        self._store = store
        self._backend = backend
        self._lanes = Lanes()
        self._cache: dict[int, Event] = {}
        self._cached_bytes = 0
        self._newest = store.newest(backend)
        self._known_to = 0
        """All waiting events up to this sequence are in the lanes."""
        self._reading = False
        self._hurried = False
        self._taking = 0
        """How many batches are being read from the file."""
        self._overfull = False
        """Whether more could go than fitted into the last batch."""
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self.waiting = store.waiting_for(backend).rows
        """Events accepted and not settled."""
        self.empty = asyncio.Event()
        """Set while nothing waits and nothing is in flight."""
        if not self.waiting:
            self.empty.set()

    def accepted(self, entries: Sequence[Entry]) -> None:
        """Learn of *entries*, which were just committed behind all others."""
        if not entries:
            return
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
        Return the oldest events whose lanes are free, or *newest*, when there is one.

        All are of one physical tenant; they occupy their lanes until they land.
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
        """Return the first events at *sequences*, all taken: some *size* bytes."""
        found = {number: self._cache.get(number) for number in sequences}
        missing = [number for number, event in found.items() if event is None]
        if missing:
            load = partial(self._store.load, self._backend, missing, size)
            found.update(await self._insist(load))
        entries = []
        for number, event in found.items():
            if event is None:
                break
            entries.append(Entry(number, event))
        return Batch(entries)

    @property
    def exhausted(self) -> bool:
        """Whether nothing can be taken before something that was taken lands."""
        return self._all_known() and not self._lanes.ready and not self._taking

    def hurry(self) -> None:
        """Let no batch wait to become full from now on."""
        self._hurried = True
        self._changed.set()

    async def settle(self, batch: Batch) -> None:
        """Forget *batch*, which was delivered; insist until the disk takes it."""
        await self._insist(
            partial(self._store.settle, self._backend, batch.entries),
            partial(self._settled, batch),
        )

    async def bury(self, batch: Batch, verdict: Verdict) -> None:
        """Make dead letters of *batch*; insist until the disk takes it."""
        await self._insist(
            partial(self._store.bury, self._backend, batch.entries, verdict),
            partial(self._settled, batch),
        )

    async def lose(self, size: int) -> Batch:
        """
        Forget some *size* bytes of the oldest events that aren't taken, if there are.

        Raises `SpoolFailedError`; then nothing is forgotten.
        """
        limits = Limits(events=PAGE, bytes=max(1, size), identities=sys.maxsize)
        self._look_ahead(PAGE)
        while not (places := self._lanes.take(PAGE) or self._lanes.seize(PAGE)):
            if not self._reading:
                return Batch(())
            # Reading goes on by itself, and tells the slots; here nobody else does.
            await self._writer.do(lambda: None)
        batch = await self._fetch(places, limits)
        if batch.entries:
            settle = partial(self._store.settle, self._backend, batch.entries)
            try:
                await self._writer.do(settle, partial(self._settled, batch))
            except SpoolFailedError:
                self.give_back(batch.entries)
                raise
        return batch

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Let *entries* of a batch wait again, in their places."""
        for sequence, event in entries:
            self._remember(sequence, event)
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
        """Whether all that waits is known, or *more* than memory should hold."""
        most = self._lanes.known >= MOST_KNOWN + more
        return most or self._known_to == self._newest

    def _look_ahead(self, more: int = 0) -> None:
        """Begin to read from the file, unless enough is known."""
        enough = self._lanes.ready >= AHEAD // 2 or self._all_known(more)
        if enough or self._reading:
            return
        self._reading = True
        after = self._known_to
        page = partial(self._store.page, self._backend, after, PAGE, PAGE_BYTES)
        self._writer.do(page, self._read).add_done_callback(self._check_read)

    def _read(self, page: Page) -> None:
        self._reading = False
        # A transaction that failed leaves a gap in the sequences behind the newest.
        self._newest = max(self._newest, page.complete_to)
        self._learn(page.entries, known_to=page.complete_to)
        self._changed.set()
        self._look_ahead()

    def _check_read(self, future: asyncio.Future[Page]) -> None:
        if not future.cancelled() and future.exception():
            self._reading = False
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._look_ahead)

    def _learn(self, entries: Sequence[Entry], known_to: int) -> None:
        self._known_to = known_to
        for sequence, event in entries:
            ahead = self._lanes.add(Place(sequence, event.lane))
            # A lane with a long queue must not fill the cache of all others.
            if ahead < CACHED_PER_LANE:
                self._remember(sequence, event)

    def _remember(self, sequence: int, event: Event) -> None:
        """Keep *event* at hand while there is room, or it's read from the file."""
        if self._cached_bytes < CACHE_BYTES:
            self._cache[sequence] = event
            self._cached_bytes += len(event.body)

    async def _fetch(self, places: Sequence[Place], limits: Limits) -> Batch:
        """Return what is at *places*, within *limits*; the rest keeps its place."""
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
        self._lanes.land(_places(batch.entries))
        self.waiting -= len(batch.entries)
        if not self.waiting:
            self.empty.set()
        self._changed.set()

    async def _insist(
        self, call: Callable[[], T], then: Callable[[T], None] = lambda _: None
    ) -> T:
        """Do *call* in a transaction, again and again until one succeeds."""
        while True:
            try:
                return await self._writer.do(call, then)
            except SpoolFailedError:
                await asyncio.sleep(RETRY_SECONDS)


def _places(entries: Sequence[Entry]) -> list[Place]:
    return [Place(entry.sequence, entry.event.lane) for entry in entries]
