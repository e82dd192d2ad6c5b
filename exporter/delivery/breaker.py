"""
Whether a backend may be asked now: one state machine per backend, for all its slots.

Pure: it never waits, and takes the time from the monotonic clock it is given. A single
failure says nothing about the backend, because some events may always fail. A dozen
failures without a success open the breaker. A single probe then shows when to begin
again, slot by slot, and with ever larger requests.
"""

import enum
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import backoff

FIRST_SECONDS = 1.0
"""The longest first wait; with full jitter half of it on average."""
LONGEST_SECONDS = 60.0
BLOCKED_SECONDS = 30.0
"""The longest wait before a probe notices a corrected setup."""
WORKS_SECONDS = 30.0
"""How long after a success a blocked answer counts against the event."""
TROUBLED_SECONDS = 10.0
"""How long after a failure it's likely that the next events fail, too."""
ALIKE = 4
"""So many waits have the same length, so that several instances are probed."""
PROBES = 300
"""Probes in the first second of a backend that refuses everything."""

FAILURES_IN_A_ROW = 12
"""Were half of all events bad, only one run in 4,096 would be as long."""

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
    risky: bool = False
    events: int = UNLIMITED
    """How many it may hold."""


def wait_after(failures: int) -> float:
    """Return how many seconds to wait after so many: ever longer, and at random."""
    doubled = FIRST_SECONDS * 2 ** min(max(failures - 1, 0), 10)
    return backoff.full_jitter(min(doubled, LONGEST_SECONDS))


class Breaker:
    """What is known of a backend from its last answers."""

    def __init__(self, slots: int, now: Callable[[], float] = time.monotonic) -> None:
        """Begin closed, with all *slots*; *now* is in seconds and never goes back."""
        self._slots = slots
        self._now = now
        self._waits = 0
        self._allowed = slots
        self._in_flight = {False: 0, True: 0}
        """By whether they are risky."""
        self._until = 0.0
        self._not_before = 0.0
        self._opened = 0.0
        self._troubled = -math.inf
        self._enough = UNLIMITED
        """From this size on, requests grow by one event only."""
        self._fitting = UNLIMITED
        self._singly = 0.0
        self._took = 1.0
        self.failures = 0
        """Failures in a row."""
        self.succeeded = -math.inf
        """When the backend last took something."""
        self.proof = -math.inf
        """When the newest of the requests that it took began."""
        self.state = State.CLOSED
        self.cause: Cause | None = None

    def begin(self, *, risky: bool = False, shared: bool = False) -> Ticket | None:
        """
        Return the permission for one request, or None while there is none.

        A *risky* request may well fail. It gets half of the slots while they are
        *shared*, that is, while another request waits for one.
        """
        if self.pause or self.state is State.HALF_OPEN:
            return None
        probe = self.state is State.OPEN
        half = risky and shared and self._in_flight[True] >= (self._allowed + 1) // 2
        if not probe and (half or sum(self._in_flight.values()) >= self._allowed):
            return None
        if probe:
            self.state = State.HALF_OPEN
        self._in_flight[risky] += 1
        return Ticket(self._now(), probe, risky, 1 if probe else self.events)

    @property
    def events(self) -> int:
        """How many events a request may hold, by what failed and what got through."""
        return 1 if self._singly > 0 else self._fitting

    @property
    def pause(self) -> float:
        """Seconds until the backend may be asked again."""
        return max(0.0, max(self._until, self._not_before) - self._now())

    @property
    def troubled(self) -> bool:
        """Whether something failed lately."""
        lately = self._now() < self._troubled + TROUBLED_SECONDS
        return lately or self.state is not State.CLOSED

    @property
    def works(self) -> bool:
        """Whether the setup seems to be right."""
        closed = self.state is State.CLOSED
        return closed and self._now() < self.succeeded + WORKS_SECONDS

    def delivered(self, ticket: Ticket, size: int = 0) -> bool:
        """
        Learn that the backend took something, and return whether that closed it.

        *size* is how many events were sent for the first time.
        """
        self._in_flight[ticket.risky] -= 1
        self.succeeded = self._now()
        self.proof = max(self.proof, ticket.started)
        self._took = max(0.001, self.succeeded - ticket.started)
        if self.state is State.CLOSED:
            self._allowed = min(self._allowed + 1, self._slots)
            if self._singly > 0:
                self._singly -= size
            elif size >= self._fitting:
                step = self._fitting if self._fitting < self._enough else 1
                self._fitting = min(self._fitting + step, UNLIMITED)
        return self._close()

    def refused(self, ticket: Ticket) -> None:
        """Learn that the backend answers, but took nothing of this request."""
        self._in_flight[ticket.risky] -= 1
        self._troubled = self._now()
        if ticket.probe and self.cause is Cause.REFUSING:
            self._open(Cause.REFUSING)
        elif ticket.probe or self.state is State.CLOSED:
            self._close()

    def failed(
        self,
        ticket: Ticket,
        *,
        known: bool = False,
        alone: bool = False,
        cause: Cause = Cause.FAILING,
        at_once: bool = False,
    ) -> None:
        """
        Open after some failures in a row, or *at_once*, with *cause*.

        A request *known* to fail by itself says nothing new. One that fails *alone*,
        while others succeed, or that comes again in parts, says nothing about the
        backend.
        """
        self._in_flight[ticket.risky] -= 1
        if self.cause is Cause.REFUSING:
            cause = Cause.REFUSING
        if ticket.probe and self.state is State.HALF_OPEN:
            self._open(cause)
        if known or self.state is not State.CLOSED:
            return  # what began before it opened changes nothing
        self._troubled = self._now()
        self.failures += not alone
        if at_once or self.failures >= FAILURES_IN_A_ROW:
            self._open(cause)

    def silence(self, seconds: float) -> None:
        """Send nothing for so long: the backend asked for it, whatever succeeds."""
        self._not_before = max(self._not_before, self._now() + seconds)

    def shrink(self, size: int, slow: float = 0.0) -> None:
        """
        Let requests hold fewer than *size* events, which failed, until as many pass.

        After *slow* seconds the next ones go one by one: as many as they are, from both
        ends, and as many as take as long.
        """
        most = 1 if slow else (size + 1) // 2
        self._fitting = self._enough = min(self._fitting, most)
        if slow:
            self._singly = max(self._singly + 2 * size, slow / self._took)

    def wait(self) -> float:
        """Return how many seconds to wait this time; later it's longer."""
        self._waits += 1
        return wait_after(1 + self._waits // ALIKE)

    def block(self) -> None:
        """Send nothing but probes: everything that was tried was refused."""
        self._open(Cause.REFUSING)

    def hurry(self) -> None:
        """End the pause; what the backend itself asked for still holds."""
        self._until = 0.0

    def _close(self) -> bool:
        """Begin again; after a while without, with one slot and few events."""
        self.failures = self._waits = 0
        self._until = 0.0
        if self.state is State.CLOSED:
            return False
        self.state, self.cause = State.CLOSED, None
        self._allowed = self._fitting = 1
        self._enough, self._singly = UNLIMITED, 0
        return True

    def _open(self, cause: Cause) -> None:
        if cause is not self.cause:
            self._opened = self._now()
        self.state, self.cause = State.OPEN, cause
        if cause is Cause.REFUSING:
            # It answers, so it can be asked often: in a second hundreds of bad events
            # are passed over on the way to a good one, in an hour some thousand.
            wait = (self._now() - self._opened) / PROBES
        else:
            wait = self.wait()
        longest = LONGEST_SECONDS if cause is Cause.FAILING else BLOCKED_SECONDS
        self._until = self._now() + min(wait, longest)
