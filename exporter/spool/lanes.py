"""
Whose turn it is: the order of waiting events, in memory and without any I/O.

A lane is a process instance, or a partition for events without one. What is taken of a
lane keeps the rest of it waiting, and nobody else.
"""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush, merge
from itertools import islice, repeat
from typing import NamedTuple

from exporter.events import Lane

MOST_STALE = 4096


class Place(NamedTuple):
    """Where an event waits. A spool's sequence is the order of acceptance."""

    sequence: int
    lane: Lane

    @property
    def tenant(self) -> str:
        """The physical tenant that the lane is of."""
        return self.lane[0]


class Lanes:
    """
    All lanes with something waiting or taken.

    The cost of `take` depends on what it returns, never on how much waits.
    """

    def __init__(self) -> None:
        """Know of no event."""
        self._waiting: dict[Lane, deque[int]] = {}
        """What is known to wait in each lane, oldest first; never empty."""
        self._taken: dict[Lane, int] = {}
        """How many of each lane have neither landed nor come back; never 0."""
        self._oldest: defaultdict[str, list[Place]] = defaultdict(list)
        """By tenant, a heap of the first of each lane; some may be stale."""
        self._newest: list[tuple[int, Place]] | None = None
        """All of these, the newest first, from when it's needed until it's too long."""
        self.known = 0
        """How many events wait or are taken."""
        self.ready = 0
        """How many events could be taken now."""

    def add(self, place: Place) -> int:
        """Let an event wait at the end of its lane; return how many wait before it."""
        waiting = self._waiting.setdefault(place.lane, deque())
        ahead = len(waiting)
        waiting.append(place.sequence)
        self.known += 1
        if place.lane not in self._taken:
            self.ready += 1
            if not ahead:
                self._push(place)
        return ahead

    def take(self, limit: int) -> list[Place]:
        """
        Return the oldest *limit* that may go, in order, and occupy their lanes.

        All of them are of the tenant whose turn it is: that of the oldest one.
        """
        taken: list[Place] = []
        heap = min(self._fresh(), default=[])
        while heap and len(taken) < limit:
            place = heappop(heap)
            self._pop(place.lane)
            taken.append(place)
            self.ready -= 1
            if waiting := self._waiting.get(place.lane):
                heappush(heap, Place(waiting[0], place.lane))
            self._pass_over_stale(heap)
        for lane, count in _by_lane(taken).items():
            self._taken[lane] = count
            self.ready -= len(self._waiting.get(lane, ()))
        return taken

    def take_newest(self, limit: int) -> list[Place]:
        """
        Take from the other end: the first event of each of the newest *limit* lanes.

        All of them are of one tenant.
        """
        if self._newest is None:
            every = (place for heap in self._fresh() for place in heap)
            self._newest = [(-place.sequence, place) for place in every]
            heapify(self._newest)
        taken: list[Place] = []
        others = []
        while self._newest and len(taken) < limit:
            newest = heappop(self._newest)
            place = newest[1]
            if taken and place.tenant != taken[0].tenant:
                others.append(newest)
            elif self._is_first(place):
                self.ready -= len(self._waiting[place.lane])
                self._pop(place.lane)
                self._taken[place.lane] = 1
                taken.append(place)
        for newest in others:
            heappush(self._newest, newest)
        return taken[::-1]

    def seize(self, limit: int) -> list[Place]:
        """Take the oldest *limit* that wait behind what was taken of their lanes."""
        behind = (
            zip(waiting, repeat(lane))
            for lane, waiting in self._waiting.items()
            if lane in self._taken
        )
        seized = [Place(*place) for place in islice(merge(*behind), limit)]
        for place in seized:
            self._pop(place.lane)
            self._taken[place.lane] += 1
        return seized

    def land(self, places: Iterable[Place]) -> None:
        """Let what waits behind *places* go once nothing of their lane is taken."""
        for lane, count in _by_lane(places).items():
            self.known -= count
            self._taken[lane] -= count
            if not self._taken[lane]:
                del self._taken[lane]
                if waiting := self._waiting.get(lane):
                    self.ready += len(waiting)
                    self._push(Place(waiting[0], lane))

    def give_back(self, places: Sequence[Place]) -> None:
        """Undo `take` or `seize` for *places*: each goes where it was in its lane."""
        for place in sorted(places, reverse=True):
            waiting = self._waiting.setdefault(place.lane, deque())
            waiting.insert(bisect_left(waiting, place.sequence), place.sequence)
        self.known += len(places)
        self.land(places)

    def _pop(self, lane: Lane) -> None:
        self._waiting[lane].popleft()
        if not self._waiting[lane]:
            del self._waiting[lane]

    def _push(self, place: Place) -> None:
        heappush(self._oldest[place.tenant], place)
        if self._newest is not None:
            heappush(self._newest, (-place.sequence, place))
            if len(self._newest) > MOST_STALE + 2 * self.ready:
                self._newest = None

    def _fresh(self) -> list[list[Place]]:
        """Return each tenant's heap, if its first place may go."""
        for tenant, heap in list(self._oldest.items()):
            self._pass_over_stale(heap)
            if not heap:
                del self._oldest[tenant]
        return list(self._oldest.values())

    def _pass_over_stale(self, heap: list[Place]) -> None:
        while heap and not self._is_first(heap[0]):
            heappop(heap)

    def _is_first(self, place: Place) -> bool:
        """Whether *place* is the first of a lane that may go."""
        waiting = self._waiting.get(place.lane)
        if not waiting or place.lane in self._taken:
            return False
        return waiting[0] == place.sequence


def _by_lane(places: Iterable[Place]) -> Counter[Lane]:
    return Counter(place.lane for place in places)
