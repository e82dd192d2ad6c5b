"""
Parts of batches, and which of them wait aside for a turn of their own.

Pure: it posts nothing and knows no clock but the numbers it is given.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import count

from exporter.delivery.breaker import waits
from exporter.delivery.outcome import Answer
from exporter.events import Lane
from exporter.spool import Batch, Entry, Verdict

LONELY = 3
"""How often a batch may be postponed while others get through before it is halved."""


@dataclass(slots=True, eq=False)
class Piece:
    """A batch or a part of it, with what has become of it so far."""

    batch: Batch
    attempts: int = 0
    lonely: int = 0
    """How often it was postponed while others got through."""
    failed: float | None = None
    """When it was last postponed."""
    refused: float | None = None
    """When the backend first refused it, or the batch it was part of."""
    aside: bool = False
    """Whether it ever waited aside."""
    again: float = 0.0
    """When the backend last refused it."""
    suspect: bool = False
    """Whether it was refused alone, and nothing was delivered since."""
    answer: Answer | None = None
    """The last one."""
    waits: Iterator[float] = field(default_factory=waits)

    @property
    def size(self) -> int:
        """How many events it holds."""
        return len(self.batch.entries)

    @property
    def lanes(self) -> set[Lane]:
        """Whom it holds up."""
        return {event.lane for event in self.batch.events}

    @property
    def verdict(self) -> Verdict:
        """Why it is a dead letter, if it is one."""
        answer = self.answer or Answer()
        return Verdict(
            f"refused: {answer.detail}", answer.status, answer.excerpt, self.attempts
        )

    def refused_before(self, moment: float) -> bool:
        """Whether the backend had refused it before *moment*."""
        return self.refused is not None and self.refused < moment

    def of(self, entries: Iterable[Entry]) -> "Piece":
        """Return a piece of it: *entries*, with the past of all."""
        return replace(self, batch=Batch(tuple(entries)), suspect=False, waits=waits())

    def split(self, first: int) -> "list[Piece]":
        """Return its *first* events, and the rest."""
        entries = self.batch.entries
        return [self.of(entries[:first]), self.of(entries[first:])]

    def halves(self) -> "list[Piece]":
        """Return both halves, the first one not smaller."""
        return self.split((self.size + 1) // 2)

    def halves_if_lonely(self) -> "list[Piece]":
        """Return what to try next, when it failed while others got through."""
        lonely = self.size > 1 and self.lonely >= LONELY
        return self.halves() if lonely else [self]

    def without(self, lanes: set[Lane]) -> "tuple[Piece, list[Entry]]":
        """Return what isn't in *lanes*, and the entries that are."""
        entries = self.batch.entries
        behind = [entry for entry in entries if entry.event.lane in lanes]
        if not behind:
            return self, behind
        return self.of(e for e in entries if e.event.lane not in lanes), behind


class Aside:
    """Pieces that wait each for a moment of its own, and hold up only their lanes."""

    def __init__(self) -> None:
        """Begin empty."""
        self._pieces: list[tuple[float, int, Piece]] = []
        self._count = count()
        """Tells pieces apart that are due at once: first come, first served."""
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pieces)

    def add(self, piece: Piece, due: float) -> None:
        """Let *piece* wait until *due*."""
        heappush(self._pieces, (due, next(self._count), piece))
        self.changed.set()

    @property
    def due(self) -> float:
        """When the next one is due."""
        return self._pieces[0][0] if self._pieces else math.inf

    def pop(self) -> Piece:
        """Return the one that is due next."""
        return heappop(self._pieces)[-1]

    def hurry(self, due: float) -> None:
        """Let all be due at *due*, in the order they would have been."""
        self._pieces = [(due, number, piece) for _, number, piece in self._pieces]
        heapify(self._pieces)
        self.changed.set()

    @property
    def suspects(self) -> list[Piece]:
        """Those that are dead letters if they're refused once more after a success."""
        return [piece for *_, piece in self._pieces if piece.suspect]

    def convict(self, proof: float, within: float) -> list[Piece]:
        """Take out suspects refused not longer than *within* before a success began."""
        return self._take(
            lambda p: p.suspect and p.refused_before(proof) and proof < p.again + within
        )

    def summon(self, proof: float, due: float) -> None:
        """Let suspects that had been refused when a success began be due at *due*."""
        for piece in self._take(lambda p: p.suspect and p.refused_before(proof)):
            self.add(piece, due)

    def acquit(self) -> list[Piece]:
        """Take out those that failed only as all did."""
        return self._take(lambda p: not p.lonely and p.refused is None)

    def _take(self, wanted: Callable[[Piece], bool]) -> list[Piece]:
        taken = [piece for *_, piece in self._pieces if wanted(piece)]
        if taken:
            self._pieces = [each for each in self._pieces if each[-1] not in taken]
            heapify(self._pieces)
        return taken
