"""
Keep the order of waiting events in memory, without any I/O.

A lane is a process instance, or a partition for events without an instance. While an
event of a lane is taken, the later events of that lane wait. Other lanes don't.
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
    """The sequence and the lane of a waiting event."""

    sequence: int
    lane: Lane

    @property
    def tenant(self) -> str:
        """The physical tenant of the lane."""
        return self.lane[0]


class Lanes:
    """
    All lanes with waiting or taken events.

    The cost of `take` depends on its result, and not on the number of waiting events.
    """

    def __init__(self) -> None:
        self._waiting: dict[Lane, deque[int]] = {}
        """The waiting sequences of each lane, oldest first; never empty."""
        self._taken: dict[Lane, int] = {}
        """The number of taken events of each lane; never 0."""
        self._oldest: defaultdict[str, list[Place]] = defaultdict(list)
        """By tenant, a heap with the first place of each lane, and stale places."""
        self._newest: list[tuple[int, Place]] | None = None
        """A heap with the same places, newest first; None until it's needed."""
        self.known = 0
        """The number of waiting and taken events."""
        self.ready = 0
        """The number of events that can be taken now."""

    def add(self, place: Place) -> int:
        """Add a waiting event to its lane, and return how many wait before it."""
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
        Take up to *limit* of the oldest ready events, in order.

        All belong to one tenant: the tenant of the oldest event.
        """
        taken: list[Place] = []
        for tenant, heap in list(self._oldest.items()):
            self._drop_stale(heap)
            if not heap:
                del self._oldest[tenant]
        heap = min(self._oldest.values(), default=[])
        while heap and len(taken) < limit:
            place = heappop(heap)
            self._pop(place.lane)
            taken.append(place)
            self.ready -= 1
            if waiting := self._waiting.get(place.lane):
                heappush(heap, Place(waiting[0], place.lane))
            self._drop_stale(heap)
        for lane, count in _by_lane(taken).items():
            self._taken[lane] = count
            self.ready -= len(self._waiting.get(lane, ()))
        return taken

    def take_newest(self, limit: int) -> list[Place]:
        """Take the first events of up to *limit* lanes, newest first, of one tenant."""
        if self._newest is None:
            every = (place for heap in self._oldest.values() for place in heap)
            self._newest = [(-place.sequence, place) for place in every]
            heapify(self._newest)
        taken: list[Place] = []
        others = []
        while self._newest and len(taken) < limit:
            newest = heappop(self._newest)
            place = newest[1]
            if taken and place.tenant != taken[0].tenant:
                others.append(newest)
            elif self._is_ready(place):
                self.ready -= len(self._waiting[place.lane])
                self._pop(place.lane)
                self._taken[place.lane] = 1
                taken.append(place)
        for newest in others:
            heappush(self._newest, newest)
        return taken[::-1]

    def take_blocked(self, limit: int) -> list[Place]:
        """Take up to *limit* of the oldest events that wait for a taken event."""
        waiting = (
            zip(sequences, repeat(lane))
            for lane, sequences in self._waiting.items()
            if lane in self._taken
        )
        blocked = [Place(*place) for place in islice(merge(*waiting), limit)]
        for place in blocked:
            self._pop(place.lane)
            self._taken[place.lane] += 1
        return blocked

    def release(self, places: Iterable[Place]) -> None:
        """Forget the taken *places*; their lanes become ready."""
        for lane, count in _by_lane(places).items():
            self.known -= count
            self._taken[lane] -= count
            if not self._taken[lane]:
                del self._taken[lane]
                if waiting := self._waiting.get(lane):
                    self.ready += len(waiting)
                    self._push(Place(waiting[0], lane))

    def give_back(self, places: Sequence[Place]) -> None:
        """Put taken *places* back where they were in their lanes."""
        for place in sorted(places, reverse=True):
            waiting = self._waiting.setdefault(place.lane, deque())
            waiting.insert(bisect_left(waiting, place.sequence), place.sequence)
        self.known += len(places)
        self.release(places)

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

    def _drop_stale(self, heap: list[Place]) -> None:
        while heap and not self._is_ready(heap[0]):
            heappop(heap)

    def _is_ready(self, place: Place) -> bool:
        """Whether *place* is the first in a lane of which nothing is taken."""
        waiting = self._waiting.get(place.lane)
        if not waiting or place.lane in self._taken:
            return False
        return waiting[0] == place.sequence


def _by_lane(places: Iterable[Place]) -> Counter[Lane]:
    return Counter(place.lane for place in places)
