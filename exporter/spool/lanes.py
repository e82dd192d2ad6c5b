"""
Whose turn it is: the order of waiting events, in memory and without any I/O.

A lane is a process instance, or a partition for events without one. What is taken of a
lane keeps the rest of it waiting, and nobody else.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from itertools import islice, repeat
from typing import NamedTuple


class Place(NamedTuple):
    """Where an event waits. A spool's sequence is the order of acceptance."""

    sequence: int
    lane: int


@dataclass(slots=True)
class Lane:
    """What is known to wait in one lane, oldest first."""

    waiting: deque[int] = field(default_factory=deque)
    taken: int = 0
    """How many were taken and have neither landed nor come back."""


class Lanes:
    """
    All lanes with something waiting or taken.

    The cost of `take` depends on what it returns, never on how much waits.
    """

    def __init__(self) -> None:
        """Know of no event."""
        self._lanes: dict[int, Lane] = {}
        self._oldest: list[Place] = []
        """A heap of the first of each lane; may hold some that are stale."""
        self.ready = 0
        """How many events could be taken now."""

    def add(self, place: Place) -> int:
        """Let an event wait at the end of its lane; return how many wait before it."""
        lane = self._lanes.setdefault(place.lane, Lane())
        ahead = len(lane.waiting)
        lane.waiting.append(place.sequence)
        if not lane.taken:
            self.ready += 1
            if not ahead:
                heappush(self._oldest, place)
        return ahead

    def take(self, limit: int) -> list[Place]:
        """Return the oldest *limit* that may go, in order, and occupy their lanes."""
        taken: list[Place] = []
        while len(taken) < limit and (place := self._pop()):
            waiting = self._lanes[place.lane].waiting
            waiting.popleft()
            taken.append(place)
            self.ready -= 1
            if waiting:
                heappush(self._oldest, Place(waiting[0], place.lane))
        for key, count in _by_lane(taken).items():
            lane = self._lanes[key]
            lane.taken = count
            self.ready -= len(lane.waiting)
        return taken

    def seize(self, limit: int) -> list[Place]:
        """Take the oldest *limit* that wait behind what was taken of their lanes."""
        behind = (
            zip(lane.waiting, repeat(key))
            for key, lane in self._lanes.items()
            if lane.taken
        )
        seized = [Place(*place) for place in islice(merge(*behind), limit)]
        for place in seized:
            lane = self._lanes[place.lane]
            lane.waiting.popleft()
            lane.taken += 1
        return seized

    def land(self, places: Iterable[Place]) -> None:
        """Let what waits behind *places* go once nothing of their lane is taken."""
        for key, count in _by_lane(places).items():
            lane = self._lanes[key]
            lane.taken -= count
            if lane.taken:
                continue
            if lane.waiting:
                self.ready += len(lane.waiting)
                heappush(self._oldest, Place(lane.waiting[0], key))
            else:
                del self._lanes[key]

    def give_back(self, places: Sequence[Place]) -> None:
        """Undo `take` or `seize` for *places*: each goes where it was in its lane."""
        for place in sorted(places, reverse=True):
            waiting = self._lanes[place.lane].waiting
            waiting.insert(bisect_left(waiting, place.sequence), place.sequence)
        self.land(places)

    def _pop(self) -> Place | None:
        """Return the oldest place whose lane may go, passing over stale ones."""
        while self._oldest:
            place = heappop(self._oldest)
            lane = self._lanes.get(place.lane)
            if lane is None or lane.taken or not lane.waiting:
                continue
            if lane.waiting[0] == place.sequence:
                return place
        return None


def _by_lane(places: Iterable[Place]) -> Counter[int]:
    return Counter(place.lane for place in places)
