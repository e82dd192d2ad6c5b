"""
Keep the order of waiting events in memory, without any I/O.

A lane is a process instance, or a partition for events without an instance. While an
event of a lane is taken, the later events of that lane wait. Other lanes don't.
"""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush, merge
from itertools import islice

from exporter.events import Lane

MOST_STALE = 4096


# A plain tuple: there are several for each event, and the heaps compare them.
Place = tuple[int, Lane]
"""The sequence and the lane of a waiting event."""


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

    def add(self, sequence: int, lane: Lane) -> int:
        """Add a waiting event to its *lane*, and return how many wait before it."""
        self.known += 1
        waiting = self._waiting.get(lane)
        if waiting:
            ahead = len(waiting)
            waiting.append(sequence)
            self.ready += lane not in self._taken
            return ahead
        self._waiting[lane] = deque((sequence,))
        if lane not in self._taken:
            self.ready += 1
            self._push(sequence, lane)
        return 0

    def take(self, limit: int) -> list[Place]:
        """
        Take up to *limit* of the oldest ready events, in order.

        All belong to one tenant: the tenant of the oldest event.
        """
        taken: list[Place] = []
        heap = self._heap_of_oldest()
        while heap and len(taken) < limit:
            place = heappop(heap)
            if self._is_ready(place):
                taken.append(place)
                if waiting := self._pop(place[1]):
                    heappush(heap, (waiting[0], place[1]))
        self.ready -= len(taken)
        for _, lane in taken:
            if lane not in self._taken:
                self.ready -= len(self._waiting.get(lane, ()))
            self._taken[lane] = self._taken.get(lane, 0) + 1
        return taken

    def take_newest(self, limit: int) -> list[Place]:
        """Take the first events of up to *limit* lanes, newest first, of one tenant."""
        if self._newest is None:
            every = (place for heap in self._oldest.values() for place in heap)
            self._newest = [(-place[0], place) for place in every]
            heapify(self._newest)
        taken: list[Place] = []
        others = []
        while self._newest and len(taken) < limit:
            newest = heappop(self._newest)
            place = newest[1]
            lane = place[1]
            if taken and lane[0] != taken[0][1][0]:
                others.append(newest)
            elif self._is_ready(place):
                self.ready -= len(self._waiting[lane])
                self._pop(lane)
                self._taken[lane] = 1
                taken.append(place)
        for newest in others:
            heappush(self._newest, newest)
        return taken[::-1]

    def take_blocked(self, limit: int) -> list[Place]:
        """Take up to *limit* of the oldest events that wait for a taken event."""
        waiting = (
            [(sequence, lane) for sequence in islice(sequences, limit)]
            for lane, sequences in self._waiting.items()
            if lane in self._taken
        )
        blocked = list(islice(merge(*waiting), limit))
        for _, lane in blocked:
            self._pop(lane)
            self._taken[lane] += 1
        return blocked

    def release(self, places: Iterable[Place]) -> None:
        """Forget the taken *places*; their lanes become ready."""
        for _, lane in places:
            self.known -= 1
            if self._taken[lane] > 1:
                self._taken[lane] -= 1
                continue
            del self._taken[lane]
            if waiting := self._waiting.get(lane):
                self.ready += len(waiting)
                self._push(waiting[0], lane)

    def give_back(self, places: Sequence[Place]) -> None:
        """Put taken *places* back where they were in their lanes."""
        for sequence, lane in sorted(places, reverse=True):
            waiting = self._waiting.setdefault(lane, deque())
            waiting.insert(bisect_left(waiting, sequence), sequence)
        self.known += len(places)
        self.release(places)

    def _heap_of_oldest(self) -> list[Place]:
        """Return the heap that begins with the oldest ready place."""
        for tenant, heap in list(self._oldest.items()):
            while heap and not self._is_ready(heap[0]):
                heappop(heap)
            if not heap:
                del self._oldest[tenant]
        return min(self._oldest.values(), default=[])

    def _pop(self, lane: Lane) -> deque[int]:
        """Remove the first event of *lane*, and return the others."""
        waiting = self._waiting[lane]
        waiting.popleft()
        if not waiting:
            del self._waiting[lane]
        return waiting

    def _push(self, sequence: int, lane: Lane) -> None:
        heap = self._oldest[lane[0]]
        heappush(heap, (sequence, lane))
        # `take_newest` leaves its places in this heap, some of them several times.
        if len(heap) > MOST_STALE + 2 * self.ready:
            heap[:] = {place for place in heap if self._is_ready(place)}
            heapify(heap)
        if self._newest is not None:
            heappush(self._newest, (-sequence, (sequence, lane)))
            if len(self._newest) > MOST_STALE + 2 * self.ready:
                self._newest = None

    def _is_ready(self, place: Place) -> bool:
        """Whether *place* is the first in a lane of which nothing is taken."""
        sequence, lane = place
        waiting = self._waiting.get(lane, (-1,))
        return waiting[0] == sequence and lane not in self._taken
