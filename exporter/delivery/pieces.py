"""
Parts of batches, and which of them wait aside for a turn of their own.

Pure: it posts nothing, and gets the time as numbers.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import count, takewhile

from exporter.delivery.breaker import wait_after
from exporter.delivery.outcome import Answer, Failure
from exporter.events import Event, Lane
from exporter.spool import Batch, Entry, Rejection

SHARE = 8
"""Events that are known to fail get one part in so many of the slots' time."""
SLOW_SECONDS = 1.0
"""A failure that took so long costs more than sending each event by itself."""
SILENCES = 5
"""They may silence all delivery (`Retry-After`) for one part in so many of the time."""

NO_ANSWER, NOTHING = Answer(), Batch(())


@dataclass(slots=True, eq=False)
class Piece:
    """A batch or a part of it, with what has become of it so far."""

    batch: Batch
    """Empty while it waits aside, so that memory holds no bodies."""
    sequence: int = 0
    """Of its event, which waits or waited aside."""
    number: int = 0
    """The turn it has while it waits aside; 0 elsewhere."""
    attempts: int = 0
    slow: float = 0.0
    """How many seconds the last attempt took, if that was long."""
    failed_at: float | None = None
    """When it was last postponed."""
    known: bool = False
    """Whether it failed while others succeeded: the failure is its own."""
    lonely: bool = False
    """Whether it, or the batch it was part of, ever was."""
    first_refused_at: float | None = None
    """When the backend first refused it, or the batch it was part of."""
    refused_alone_at: float | None = None
    """When the backend first refused it as a single event."""
    last_refused_at: float = 0.0
    waited: int = 0
    """How often it waited aside."""
    answer: Answer = NO_ANSWER
    """The last one; none while it waits aside."""

    @property
    def size(self) -> int:
        """How many events it holds."""
        return len(self.batch.entries)

    @property
    def is_fresh(self) -> bool:
        """Whether its events weren't sent before the last attempt."""
        return self.attempts == 1

    @property
    def lanes(self) -> set[Lane]:
        """The lanes that it holds up."""
        return {event.lane for event in self.batch.events}

    @property
    def verdict(self) -> Rejection:
        """The reason of its dead letter, if it becomes one."""
        answer = self.answer
        return Rejection(
            f"refused: {answer.detail}", answer.status, answer.excerpt, self.attempts
        )

    def tried(self, answer: Answer, seconds: float) -> None:
        """Note what came of the last attempt, and after how many *seconds*."""
        slow = answer.failure is Failure.TIMEOUT or seconds > SLOW_SECONDS
        self.answer, self.slow = answer, seconds if slow else 0.0

    def wait(self) -> float:
        """Return how many seconds to wait aside: each time longer."""
        self.waited += 1
        return wait_after(self.waited)

    def fail(self, now: float, began: float, succeeded: float) -> bool:
        """Note that it failed, and return whether another *succeeded* meanwhile."""
        alone = succeeded > (self.failed_at or began)
        self.failed_at, self.known = now, self.size == 1 and (self.known or alone)
        self.lonely = self.lonely or alone
        return alone

    def refuse(self, now: float) -> None:
        """Note that the backend refused it *now*."""
        self.last_refused_at = now
        self.first_refused_at = self.first_refused_at or now
        if self.size == 1:
            self.refused_alone_at = self.refused_alone_at or now

    def refused_before(self, moment: float, *, alone: bool) -> bool:
        """Whether it is a single event that was refused before *moment*, or *alone*."""
        first = self.refused_alone_at if alone else self.first_refused_at
        return self.size == 1 and first is not None and first < moment

    def of(self, entries: Iterable[Entry]) -> "Piece":
        """Return a piece of it: *entries*, with the past of all."""
        return replace(self, batch=Batch(tuple(entries)))

    def split(self, first: int) -> "list[Piece]":
        """Return its *first* events, and the rest."""
        entries = self.batch.entries
        return [self.of(entries[:first]), self.of(entries[first:])]

    def without(self, unwanted: Callable[[Event], bool]) -> "list[Piece]":
        """Return it without the *unwanted* events, and these."""
        parts: dict[bool, list[Entry]] = {False: [], True: []}
        for entry in self.batch.entries:
            parts[unwanted(entry.event)].append(entry)
        return [self.of(part) for part in parts.values()]


class Aside:
    """
    Pieces that each wait for their own time, and hold up only their lanes.

    Pieces that are known to fail get a share of the time: after each failure all of
    them rest. There may be many, so their events stay in the spool.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._heaps: dict[bool, list[tuple[float, int, Piece]]] = {False: [], True: []}
        """
        By whether they are known to fail: when each is due, its number, and itself.

        Entries with another number than the piece are stale.
        """
        self._count = count(1)
        self._size = 0
        self._suspects: dict[Piece, None] = {}
        """As a set that keeps its order: the oldest refusal comes first."""
        self._rested = -math.inf
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many there are."""
        return self._size

    def add(self, piece: Piece, due: float) -> None:
        """Let *piece*, a single event or what is left of it, wait until *due*."""
        if piece.size:
            piece.sequence = piece.batch.entries[0].sequence
        piece.batch, piece.answer = NOTHING, NO_ANSWER
        piece.number = next(self._count)
        heappush(self._heaps[piece.known], (due, piece.number, piece))
        self._size += 1
        self.changed.set()

    def suspect(self, piece: Piece) -> None:
        """Let *piece*, which was refused, have its turn after the next success."""
        self._suspects[piece] = None

    @property
    def suspects(self) -> list[Piece]:
        """Pieces that become dead letters if they are refused again after a success."""
        return list(self._suspects)

    @property
    def due(self) -> float:
        """When the next one is due."""
        return min(self._due(known=True), self._due(known=False))

    def pop(self) -> Piece:
        """Return the one that is due next; its event is to be read again."""
        known = self._due(known=True) < self._due(known=False)
        piece = heappop(self._heaps[known])[-1]
        self._forget(piece)
        return piece

    def rest(self, since: float, seconds: float) -> None:
        """Hold pieces that are known to fail for *seconds* after *since*."""
        self._rested = max(self._rested, since) + seconds

    def hurry(self, due: float, *, everything: bool = False) -> None:
        """Make pieces not known to fail due at *due*, or all pieces (*everything*)."""
        if everything:
            self._rested = -math.inf
        for known, heap in self._heaps.items():
            if everything or not known:
                heap[:] = [(min(due, each[0]), *each[1:]) for each in heap]
                heapify(heap)
        self.changed.set()

    def retry_suspects(self, proof: float, now: float) -> None:
        """Make suspects due *now* if they were refused before a success began."""
        before = takewhile(lambda piece: piece.last_refused_at < proof, self._suspects)
        for piece in list(before):
            self._forget(piece)
            self.add(piece, now)

    def _due(self, *, known: bool) -> float:
        heap = self._heaps[known]
        while heap and heap[0][-1].number != heap[0][1]:
            heappop(heap)
        if not heap:
            return math.inf
        return max(heap[0][0], self._rested) if known else heap[0][0]

    def _forget(self, piece: Piece) -> None:
        piece.number = 0
        self._size -= 1
        self._suspects.pop(piece, None)
