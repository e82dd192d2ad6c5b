"""How long events take from the engine's record to the backend's success."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString

# Up to a day, because an event may wait as long as the backend is down.
LIMITS_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    *(60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)
LIMITS_MS = [limit * 1000 for limit in LIMITS_SECONDS]
MOST = 1000


class Latency:
    """The latencies of the events that one backend accepted."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LIMITS_MS) + 1)
        self.sum = 0.0
        """In seconds."""
        self.last: deque[float] = deque(maxlen=MOST)
        """In seconds, of the last events."""

    # The library's histogram takes 2 µs for an event, and most events of a batch have
    # the same few latencies.
    def add(self, milliseconds: Sequence[int]) -> None:
        """Count the latencies of the events of a batch."""
        for each, number in Counter(milliseconds).items():
            self._counts[bisect_left(LIMITS_MS, each)] += number
        self.sum += sum(milliseconds) / 1000
        self.last.extend(each / 1000 for each in milliseconds)

    def buckets(self) -> list[tuple[str, float]]:
        """Return the number of events up to each limit, for Prometheus."""
        limits = [*map(floatToGoString, LIMITS_SECONDS), "+Inf"]
        return list(zip(limits, accumulate(self._counts), strict=True))
