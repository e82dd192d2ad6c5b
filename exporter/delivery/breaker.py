"""
Whether a backend may be asked now: one state machine per backend, for all its slots.

Pure: it never waits, and the only time it knows is the monotonic clock it is given. A
postponed answer says something about the backend, so it pauses all slots; when that
goes on the breaker opens, and then a single probe tells when to begin again, slot by
slot, and with ever larger requests.
"""

import enum
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import backoff

FIRST_SECONDS = 1.0
"""The longest first wait; with full jitter half of it on average."""
LONGEST_SECONDS = 60.0
BLOCKED_SECONDS = 30.0
"""How long at most before it's seen that somebody mended the setup."""

FAILURES_IN_A_ROW = 5
WINDOW = 20
"""How many of the last attempts are looked at; when half of them failed, it opens."""


UNLIMITED = 1 << 20
"""Events in a request, when the breaker has nothing to say about it."""


class State(enum.StrEnum):
    """How much is sent."""

    CLOSED = "closed"
    """As much as slots allow, unless it pauses."""
    OPEN = "open"
    """Nothing until the pause is over, then one probe."""
    HALF_OPEN = "half_open"
    """The probe is under way."""


class Cause(enum.StrEnum):
    """Why it's not closed."""

    FAILING = "failing"
    """The moment is bad: the backend has trouble, or can't be reached."""
    BLOCKED = "blocked"
    """The setup is bad: it refuses us, whatever we send."""
    REFUSING = "refusing"
    """It refused event after event and took none: that's a setup, too."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The permission for one request."""

    started: float
    """Seconds of the breaker's clock."""
    probe: bool = False
    events: int = UNLIMITED
    """How many it may hold."""


def waits() -> Iterator[float]:
    """Return ever longer waits in seconds, each drawn between zero and its bound."""
    bounds = backoff.expo(factor=FIRST_SECONDS, max_value=LONGEST_SECONDS)
    next(bounds)  # the generator's first value only starts it
    return (backoff.full_jitter(bound) for bound in bounds)


class Breaker:
    """What is known of a backend from its last answers."""

    def __init__(self, slots: int, now: Callable[[], float] = time.monotonic) -> None:
        """Begin closed, with all *slots*; *now* is in seconds and never goes back."""
        self._slots = slots
        self._now = now
        self._waits = waits()
        self._allowed = slots
        self._in_flight = 0
        self._until = 0.0
        self._not_before = 0.0
        self._failed = 0.0
        self._in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._events = UNLIMITED
        self.succeeded = 0.0
        """When the backend last took something."""
        self.proof = 0.0
        """When the newest of the requests that it took began."""
        self.state = State.CLOSED
        self.cause: Cause | None = None

    def begin(self) -> Ticket | None:
        """Return the permission for one request, or None while there is none."""
        if self.pause or self.state is State.HALF_OPEN:
            return None
        probe = self.state is State.OPEN
        if probe:
            self.state = State.HALF_OPEN
        elif self._in_flight >= self._allowed:
            return None
        self._in_flight += 1
        return Ticket(self._now(), probe, 1 if probe else self._events)

    @property
    def pause(self) -> float:
        """Seconds until the backend may be asked again."""
        return max(0.0, max(self._until, self._not_before) - self._now())

    def delivered(self, ticket: Ticket) -> None:
        """Learn that the backend took something; whatever was wrong is over."""
        self._in_flight -= 1
        self.succeeded = self._now()
        self.proof = max(self.proof, ticket.started)
        self._recent.append(False)
        if self.state is State.CLOSED:
            self._allowed = min(self._allowed + 1, self._slots)
            self._events = min(2 * self._events, UNLIMITED)
        self._close()

    def refused(self, ticket: Ticket) -> None:
        """Learn that the backend answers, but took nothing of this request."""
        self._in_flight -= 1
        if ticket.probe and self.cause is Cause.REFUSING:
            self._open(Cause.REFUSING)
        elif ticket.probe or self.state is State.CLOSED:
            self._close()

    def failed(
        self,
        ticket: Ticket,
        *,
        alone: bool = False,
        known: bool = False,
        blocked: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        """
        Pause, unless it failed *alone*: while others got through.

        What is *known* to fail by itself tells nothing new. *retry_after* is what the
        backend asked for, in seconds: a bound for everybody, whatever else happens.
        """
        self._in_flight -= 1
        self._not_before = max(self._not_before, self._now() + retry_after)
        cause = Cause.BLOCKED if blocked else Cause.FAILING
        if self.cause is Cause.REFUSING:
            cause = Cause.REFUSING
        if self.state is State.HALF_OPEN:
            if ticket.probe:
                self._open(cause)
            return
        if known:
            return
        self._recent.append(True)
        self._events = max(1, self._events // 2) if self._is_limited else UNLIMITED
        # Attempts that began before the last failure belong to it: a backend that
        # refuses four slots at once has failed once.
        is_another = ticket.started >= self._failed
        if not alone:
            self._in_a_row += 1
        if (blocked and not alone) or self.state is not State.CLOSED or self._too_often:
            self._open(cause, wait=is_another)
        elif is_another and not alone:
            self._wait(LONGEST_SECONDS)

    def block(self) -> None:
        """Send nothing but probes: everything that was tried was refused."""
        self._open(Cause.REFUSING)

    def hurry(self) -> None:
        """End the pause; what the backend itself asked for still holds."""
        self._until = 0.0

    def _close(self) -> None:
        """Begin again; after a while without, with one slot and few events."""
        self._in_a_row = 0
        self._until = 0.0
        self._waits = waits()
        if self.state is State.CLOSED:
            return
        self.state, self.cause = State.CLOSED, None
        self._allowed = self._events = 1
        self._recent.clear()

    def _open(self, cause: Cause, *, wait: bool = True) -> None:
        self.state, self.cause = State.OPEN, cause
        if wait:
            failing = cause is Cause.FAILING
            self._wait(LONGEST_SECONDS if failing else BLOCKED_SECONDS)

    def _wait(self, longest: float) -> None:
        self._failed = self._now()
        self._until = self._failed + min(next(self._waits), longest)

    @property
    def _is_limited(self) -> bool:
        return self._events < UNLIMITED

    @property
    def _too_often(self) -> bool:
        if self._in_a_row >= FAILURES_IN_A_ROW:
            return True
        return len(self._recent) == WINDOW and 2 * sum(self._recent) >= WINDOW
