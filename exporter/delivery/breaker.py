"""
The circuit breaker of a backend: it decides when a request may be sent, and how large.

Pure: it never waits, and reads the time from a clock. All slots of a backend share it.
One failure doesn't open it, because some events may always fail. A dozen failures
without a success do. Then single probes show whether the backend works again, and the
number and size of requests grow step by step.
"""

import enum
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import backoff

FIRST_SECONDS = 1.0
"""The longest first wait; full jitter makes the average half of it."""
LONGEST_SECONDS = 60.0
BLOCKED_SECONDS = 30.0
"""The longest wait before a probe detects a corrected setup."""
WORKS_SECONDS = 30.0
"""How long after a success a blocked answer counts against the event."""
TROUBLED_SECONDS = 10.0
"""How long after a failure the next events are likely to fail, too."""
WAITS_PER_LENGTH = 4
"""How many waits have the same length, so that several process instances are probed."""
PROBES = 300
"""Probes in the first second of a backend that refuses everything."""
FAILURES_IN_A_ROW = 12
"""
This many open the breaker.

With half of all events bad, one run in 4,096 is as long.
"""
UNLIMITED = 1 << 20
"""The size of a request that the breaker doesn't limit."""


class State(enum.StrEnum):
    """How much is sent."""

    CLOSED = "closed"
    """As much as the slots allow, unless there is a pause."""
    OPEN = "open"
    """Nothing until the pause ends, then one probe."""
    HALF_OPEN = "half_open"
    """The probe is in flight."""


class Cause(enum.StrEnum):
    """Why the breaker isn't closed."""

    FAILING = "failing"
    """The backend has trouble or can't be reached."""
    BLOCKED = "blocked"
    """The setup is wrong: the backend refuses us, whatever we send."""
    REFUSING = "refusing"
    """The backend refused event after event and accepted none: a wrong setup, too."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The permission to send one request."""

    started: float
    probe: bool = False
    risky: bool = False
    events: int = UNLIMITED
    """How many events it may hold."""


def wait_after(failures: int) -> float:
    """
    Return a random wait: at most 1 s after one failure, doubled after each further one.

    It is at most 60 s.
    """
    doubled = FIRST_SECONDS * 2 ** min(max(failures - 1, 0), 10)
    return backoff.full_jitter(min(doubled, LONGEST_SECONDS))


class Breaker:
    """The state of one backend, learned from its last answers."""

    def __init__(self, slots: int, now: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._now = now
        self._waits = 0
        self._allowed = slots
        self._in_flight = {False: 0, True: 0}
        """The number of requests that aren't risky, and that are."""
        self._paused_until = 0.0
        self._backend_pause_until = 0.0
        self._opened_at = 0.0
        self._failed_at = -math.inf
        self._size = UNLIMITED
        """How many events a request may hold."""
        self._doubles_below = UNLIMITED
        """Below this size it doubles after a success; from here on it grows by one."""
        self._singles = 0.0
        """How many events are still sent one by one."""
        self._success_seconds = 1.0
        self.failures = 0
        """Failures in a row."""
        self.succeeded_at = -math.inf
        self.success_began_at = -math.inf
        """When the newest of the successful requests was sent."""
        self.state = State.CLOSED
        self.cause: Cause | None = None

    def begin(self, *, risky: bool = False, shared: bool = False) -> Ticket | None:
        """
        Return the permission to send one request now, or None.

        A *risky* request is likely to fail. While other requests wait as well
        (*shared*), risky ones get half of the slots.
        """
        if self.pause or self.state is State.HALF_OPEN:
            return None
        probe = self.state is State.OPEN
        share = (self._allowed + 1) // 2
        risky_share_used = risky and shared and self._in_flight[True] >= share
        all_used = sum(self._in_flight.values()) >= self._allowed
        if not probe and (risky_share_used or all_used):
            return None
        if probe:
            self.state = State.HALF_OPEN
        self._in_flight[risky] += 1
        return Ticket(self._now(), probe, risky, 1 if probe else self.events)

    @property
    def events(self) -> int:
        """How many events a request may hold."""
        return 1 if self._singles > 0 else self._size

    @property
    def pause(self) -> float:
        """Seconds until the next request may be sent."""
        until = max(self._paused_until, self._backend_pause_until)
        return max(0.0, until - self._now())

    @property
    def troubled(self) -> bool:
        """Whether something failed recently."""
        recently = self._now() < self._failed_at + TROUBLED_SECONDS
        return recently or self.state is not State.CLOSED

    @property
    def works(self) -> bool:
        """Whether the setup seems to be right."""
        closed = self.state is State.CLOSED
        return closed and self._now() < self.succeeded_at + WORKS_SECONDS

    def delivered(self, ticket: Ticket, size: int = 0) -> bool:
        """
        Record a success, and return whether it closed the breaker.

        *size* is the number of events that were sent for the first time.
        """
        self._in_flight[ticket.risky] -= 1
        self.succeeded_at = self._now()
        self.success_began_at = max(self.success_began_at, ticket.started)
        self._success_seconds = max(0.001, self.succeeded_at - ticket.started)
        if self.state is State.CLOSED:
            self._allowed = min(self._allowed + 1, self._slots)
            if self._singles > 0:
                self._singles -= size
            elif size >= self._size:
                step = self._size if self._size < self._doubles_below else 1
                self._size = min(self._size + step, UNLIMITED)
        return self._close()

    def refused(self, ticket: Ticket) -> None:
        """Record that the backend refused a request; the backend itself works."""
        self._in_flight[ticket.risky] -= 1
        self._failed_at = self._now()
        if ticket.probe and self.cause is Cause.REFUSING:
            self._open(Cause.REFUSING)
        elif ticket.probe or self.state is State.CLOSED:
            self._close()

    def failed(
        self,
        ticket: Ticket,
        *,
        known_to_fail: bool = False,
        counts: bool = True,
        cause: Cause = Cause.FAILING,
        at_once: bool = False,
    ) -> None:
        """
        Record a failure; many in a row open the breaker, or one if it is *at_once*.

        A request that is *known_to_fail* tells nothing new. Only a failure that
        *counts* may be the backend's.
        """
        self._in_flight[ticket.risky] -= 1
        if self.cause is Cause.REFUSING:
            cause = Cause.REFUSING
        if ticket.probe and self.state is State.HALF_OPEN:
            self._open(cause)
        if known_to_fail or self.state is not State.CLOSED:
            return  # a request that began before the breaker opened changes nothing
        self._failed_at = self._now()
        self.failures += counts
        if at_once or self.failures >= FAILURES_IN_A_ROW:
            self._open(cause)

    def hold_off(self, seconds: float) -> None:
        """Send nothing for *seconds*, even after a success, as the backend asked."""
        until = self._now() + seconds
        self._backend_pause_until = max(self._backend_pause_until, until)

    def shrink(self, size: int, slow: float = 0.0) -> None:
        """
        Make requests smaller after one with *size* events failed.

        If it took *slow* seconds, the next events are sent one by one: twice *size*, or
        all that fit into that time.
        """
        most = 1 if slow else (size + 1) // 2
        self._size = self._doubles_below = min(self._size, most)
        if slow:
            self._singles = max(self._singles + 2 * size, slow / self._success_seconds)

    def next_wait(self) -> float:
        """Return the next wait in seconds; waits get longer until a success."""
        self._waits += 1
        return wait_after(1 + self._waits // WAITS_PER_LENGTH)

    def open_as_refusing(self) -> None:
        """Send nothing but probes, because every event was refused."""
        if self.cause is not Cause.REFUSING:
            self._open(Cause.REFUSING)

    def end_pause(self) -> None:
        """End the pause, except one that the backend asked for."""
        self._paused_until = 0.0

    def _close(self) -> bool:
        """Close the breaker; if it was open, begin with one slot and small requests."""
        self.failures = self._waits = 0
        self._paused_until = 0.0
        if self.state is State.CLOSED:
            return False
        self.state, self.cause = State.CLOSED, None
        self._allowed = self._size = 1
        self._doubles_below, self._singles = UNLIMITED, 0
        return True

    def _open(self, cause: Cause) -> None:
        if cause is not self.cause:
            self._opened_at = self._now()
        self.state, self.cause = State.OPEN, cause
        if cause is Cause.REFUSING:
            # The backend answers, so it can be probed often. Hundreds of bad events
            # are skipped in the first second, and some thousand in an hour.
            wait = (self._now() - self._opened_at) / PROBES
        else:
            wait = self.next_wait()
        longest = LONGEST_SECONDS if cause is Cause.FAILING else BLOCKED_SECONDS
        self._paused_until = self._now() + min(wait, longest)
