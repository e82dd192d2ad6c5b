"""
Pieces, which are batches or parts of batches, and those parked until a retry.

Pure: it sends nothing, and gets the time as a number.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from http import HTTPStatus
from itertools import count

from exporter.delivery.breaker import BLOCKED_SECONDS, wait_after
from exporter.delivery.outcome import Answer, Failure
from exporter.events import Event, Lane
from exporter.spool import Batch, Entry, Rejection

SHARE = 8
"""Events that are known to fail get one part in this many of the slots' time."""
SLOW_SECONDS = 1.0
"""A failure that takes longer costs more than sending each event on its own."""
PAUSE_SHARE = 5
"""Their Retry-After may pause all delivery for one part in this many of the time."""

NO_ANSWER, NO_EVENTS = Answer(), Batch(())


@dataclass(slots=True, eq=False)
class Piece:
    """A batch or a part of one, with its history."""

    batch: Batch
    """Empty while it is parked, so that memory holds no bodies."""
    sequence: int = 0
    """The sequence of the event of a parked piece."""
    number: int = 0
    """The place of a parked piece in the order of arrival; 0 if it isn't parked."""
    attempts: int = 0
    slow: float = 0.0
    """How many seconds the last attempt took, or 0 if it was fast."""
    failed_at: float | None = None
    """When it was last postponed."""
    known_to_fail: bool = False
    """Whether it is a single event that failed while other events succeeded."""
    first_refused_at: float | None = None
    """When the backend first refused it, or the batch it comes from."""
    first_refused_alone_at: float | None = None
    """When the backend first refused it as a single event."""
    last_refused_at: float = 0.0
    waits: int = 0
    """How often it was parked."""
    answer: Answer = NO_ANSWER
    """The last answer; a parked piece has none."""
    salt: str | None = None
    """Part of its idempotency key, kept until the backend answers."""

    @property
    def size(self) -> int:
        """How many events it holds."""
        return len(self.batch.entries)

    @property
    def is_fresh(self) -> bool:
        """Whether the last attempt was the first one of its events."""
        return self.attempts == 1

    @property
    def lanes(self) -> set[Lane]:
        """The lanes of its events."""
        return {event.lane for event in self.batch.events}

    @property
    def rejection(self) -> Rejection:
        """The reason of its dead letter, if it becomes one."""
        answer = self.answer
        return Rejection(
            f"refused: {answer.detail}", answer.status, answer.excerpt, self.attempts
        )

    def tried(self, answer: Answer, seconds: float, salt: str) -> None:
        """Record the *answer* to the last attempt, which took *seconds*."""
        slow = answer.failure is Failure.TIMEOUT or seconds > SLOW_SECONDS
        self.answer, self.slow = answer, seconds if slow else 0.0
        unanswered = self.salt is not None
        still_works = unanswered and answer.status == HTTPStatus.CONFLICT
        self.salt = salt if answer.status is None or still_works else None

    def next_wait(self, *, blocked: bool = False) -> float:
        """Return how many seconds to park it; each wait is longer."""
        self.waits += 1
        wait = wait_after(self.waits)
        return min(wait, BLOCKED_SECONDS) if blocked else wait

    def fail(self, now: float, began: float, succeeded_at: float) -> bool:
        """Record a failure; return whether another event succeeded meanwhile."""
        others_work = succeeded_at > (self.failed_at or began)
        self.failed_at = now
        self.known_to_fail = self.size == 1 and (self.known_to_fail or others_work)
        return others_work

    def refuse(self, now: float) -> None:
        """Record that the backend refused it."""
        self.last_refused_at = now
        self.first_refused_at = self.first_refused_at or now
        if self.size == 1:
            self.first_refused_alone_at = self.first_refused_alone_at or now

    def refused_before(self, moment: float, *, alone: bool) -> bool:
        """
        Whether its only event was first refused before *moment*.

        *alone*: ignore refusals of its batch.
        """
        first = self.first_refused_alone_at if alone else self.first_refused_at
        return self.size == 1 and first is not None and first < moment

    def with_entries(self, entries: Iterable[Entry]) -> "Piece":
        """Return a piece with the same history and only *entries*."""
        return replace(self, batch=Batch(tuple(entries)), salt=None)

    def split(self, first: int) -> "list[Piece]":
        """Return its *first* events and the rest, as two pieces."""
        entries = self.batch.entries
        return [self.with_entries(entries[:first]), self.with_entries(entries[first:])]

    def without(self, unwanted: Callable[[Event], bool]) -> "list[Piece]":
        """Return a piece without the *unwanted* events, and a piece of them."""
        parts: dict[bool, list[Entry]] = {False: [], True: []}
        for entry in self.batch.entries:
            parts[unwanted(entry.event)].append(entry)
        rest, removed = (self.with_entries(part) for part in parts.values())
        return [rest if removed.size else self, removed]


class Parked:
    """
    Pieces that wait for a retry, each until its own time; they block only their lanes.

    Pieces that are known to fail share a part of the time: after each failure all of
    them rest. There may be many, so their events stay in the spool.
    """

    def __init__(self) -> None:
        # Due time, number and piece, by whether the piece is known to fail. An item is
        # stale if the piece has another number.
        self._heaps: dict[bool, list[tuple[float, int, Piece]]] = {False: [], True: []}
        self._numbers = count(1)
        self._size = 0
        self._suspects: dict[Piece, None] = {}  # a set, in the order of the refusals
        self._rest_until = -math.inf
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        return self._size

    def add(self, piece: Piece, due: float) -> None:
        """Park *piece*, one event or a piece that was parked before, until *due*."""
        if piece.size:
            piece.sequence = piece.batch.entries[0].sequence
        piece.batch, piece.answer = NO_EVENTS, NO_ANSWER
        piece.number = next(self._numbers)
        heappush(self._heaps[piece.known_to_fail], (due, piece.number, piece))
        self._size += 1
        self.changed.set()

    def suspect(self, piece: Piece) -> None:
        """Retry *piece*, which was refused, after the next success."""
        self._suspects[piece] = None

    @property
    def suspects(self) -> Collection[Piece]:
        """Pieces that become dead letters if they are refused again after a success."""
        return self._suspects.keys()

    @property
    def due(self) -> float:
        """When the next piece is due."""
        return min(self._due(known=True), self._due(known=False))

    def pop(self) -> Piece:
        """Remove and return the piece that is due next; its event must be loaded."""
        known = self._due(known=True) < self._due(known=False)
        piece = heappop(self._heaps[known])[-1]
        self._forget(piece)
        return piece

    def rest(self, since: float, seconds: float) -> None:
        """Hold pieces that are known to fail for *seconds* after *since*."""
        self._rest_until = max(self._rest_until, since) + seconds

    def make_due(self, due: float, *, everything: bool = False) -> None:
        """Make pieces not known to fail due at *due*, or all pieces (*everything*)."""
        if everything:
            self._rest_until = -math.inf
        for known, heap in self._heaps.items():
            if everything or not known:
                heap[:] = [(min(due, each[0]), *each[1:]) for each in heap]
                heapify(heap)
        self.changed.set()

    def retry_suspects(self, success_began: float, now: float) -> None:
        """Make suspects due *now* if they were refused before a success began."""
        while self._suspects:
            piece = next(iter(self._suspects))
            if piece.last_refused_at >= success_began:
                break
            self._forget(piece)
            self.add(piece, now)

    def _due(self, *, known: bool) -> float:
        heap = self._heaps[known]
        while heap and heap[0][-1].number != heap[0][1]:
            heappop(heap)
        if not heap:
            return math.inf
        return max(heap[0][0], self._rest_until) if known else heap[0][0]

    def _forget(self, piece: Piece) -> None:
        piece.number = 0
        self._size -= 1
        self._suspects.pop(piece, None)
