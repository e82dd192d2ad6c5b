"""
The fault of each request, drawn from a seed so that a run can be repeated.

Pure: the n-th request of a plan always has the same fault. The effects still depend on
the timing of the processes.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from devkit.proxy import Cut


class Kind(enum.StrEnum):
    """A kind of fault of a backend."""

    DELAY = "delay"
    """The answer is correct, but slow."""
    LOST = "answer lost"
    """The events are taken, but the connection is reset without an answer."""
    RESET = "reset"
    """The events aren't taken, and the connection is reset."""
    HANG = "hang before the headers"
    HANG_BODY = "hang after the headers"
    LATE = "late"
    """The backend takes the events after the client has given up."""
    HALF_HEAD = "half a head"
    HALF_BODY = "half a body"
    DRIP = "slow drip"
    STATUS = "status"


class RetryAfter(enum.StrEnum):
    """The form of the Retry-After header."""

    NEVER = ""
    SECONDS = "seconds"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one request."""

    kind: Kind
    status: int = 503
    retry_after: RetryAfter = RetryAfter.NEVER
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The fault's name in figures."""
        if self.kind is not Kind.STATUS:
            return str(self.kind)
        after = f", Retry-After as {self.retry_after}" if self.retry_after else ""
        return f"{self.status}{after}"


class Weighted(NamedTuple):
    """Faults of one sort, and their relative frequency."""

    weight: float
    faults: Sequence[Fault]


POSTPONED_STATUSES = (500, 502, 503, 408, 425, 429)
BLOCKED_STATUSES = (401, 403, 404, 302)


def timed(seconds: float) -> list[Fault]:
    """
    Return faults with postponed statuses and a Retry-After of *seconds*.

    408 isn't included. On a reused connection it may not belong to a request, so its
    Retry-After is ignored.
    """
    return [
        Fault(Kind.STATUS, status, retry_after, seconds)
        for status in POSTPONED_STATUSES
        if status != HTTPStatus.REQUEST_TIMEOUT
        for retry_after in (RetryAfter.SECONDS, RetryAfter.DATE)
    ]


ALL = (
    Weighted(6, [Fault(Kind.DELAY, 200, seconds=each) for each in (0.01, 0.05, 0.2)]),
    Weighted(8, [Fault(Kind.LOST)]),
    Weighted(3, [Fault(Kind.RESET)]),
    Weighted(1, [Fault(Kind.HANG), Fault(Kind.LATE, 200)]),
    Weighted(2, [Fault(Kind.HANG_BODY, each) for each in (200, 503)]),
    Weighted(2, [Fault(Kind.HALF_HEAD)]),
    Weighted(2, [Fault(Kind.HALF_BODY, each) for each in (200, 503)]),
    Weighted(1, [Fault(Kind.DRIP, 200)]),
    Weighted(6, [Fault(Kind.STATUS, each) for each in POSTPONED_STATUSES]),
    Weighted(1, timed(1.0)),
    Weighted(1, [Fault(Kind.STATUS, each) for each in BLOCKED_STATUSES]),
)
"""All faults, in proportions that leave a healthy exporter time to deliver."""

STORM_OF = Fault(Kind.STATUS, 429)
LONGEST_STORM = 5


class Plan:
    """The faults of one run, one request after another."""

    def __init__(
        self,
        seed: str,
        share: float,
        mixture: Sequence[Weighted] = ALL,
        *,
        storms: float = 0.0,
    ) -> None:
        """
        Give faults of *mixture* to *share* of all requests.

        A storm is several answers 429 in a row; it starts with probability *storms*.
        """
        self._seed = seed
        self._mixture = mixture
        self._weights = [each.weight for each in mixture]
        self._storms = storms
        self._number = 0
        self._storm = 0
        self.share = share
        """The share of faults. A test may change it at any time."""
        self.healed = False
        """Whether the faults are over."""

    def next(self) -> Fault | None:
        """Return the fault of the next request; None means success."""
        self._number += 1
        if self.healed:
            return None
        chance = random.Random(f"{self._seed}/{self._number}")  # noqa: S311 - no secret
        if self._storm:
            self._storm -= 1
            return STORM_OF
        if chance.random() < self._storms:
            self._storm = chance.randint(1, LONGEST_STORM - 1)
            return STORM_OF
        if chance.random() >= self.share:
            return None
        (sort,) = chance.choices(self._mixture, self._weights)
        return chance.choice(sort.faults)


class Cuts:
    """The cuts of connections through a proxy."""

    def __init__(self, seed: str, mean_bytes: int) -> None:
        """Cut connections after *mean_bytes* on average; 0 never cuts."""
        self._seed = seed
        self._mean = mean_bytes
        self._number = 0
        self.healed = not mean_bytes

    def next(self) -> Cut | None:
        """Return the cut of the next connection, or None."""
        self._number += 1
        if self.healed:
            return None
        chance = random.Random(f"{self._seed}/{self._number}")  # noqa: S311 - no secret
        after = int(chance.expovariate(1 / self._mean))
        # Half of all cuts hit an answer; these are much shorter than requests.
        upwards = chance.random() < 0.5
        return Cut(upwards, after if upwards else after // 10)
