"""
See a change of an exporter through, for as long as it may take the broker.

Whoever is busy is asked again, and everybody is told each thing once.
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, TypeVar

from exporter.errors import ExporterError

POLL_SECONDS = 0.2

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ActuatorError(ExporterError):
    """The broker can't be asked, or doesn't do what it's asked for."""


class SilentError(ActuatorError):
    """Nothing answers where the broker should be."""


class BusyError(ActuatorError):
    """It may do it in a moment."""

    def __init__(self, problem: str) -> None:
        """Say what keeps it."""
        super().__init__(
            problem,
            remedy="Run this again in a moment; the log of the broker says more",
        )


class Change(Protocol[T_co]):
    """A change of one exporter, step by step."""

    exporter: str
    """As the broker lists it, once it was looked for."""
    statuses: set[str]
    """What it was when that was last done."""
    tell: Callable[[str], None]

    async def go_on(self) -> T_co | None:
        """Look, and do the next step; return the end of it if there is no more."""


async def insist(change: Change[T], seconds: float) -> T:
    """Return the end of *change*, which may take so many *seconds*."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if done := await change.go_on():
                return done
            statuses = ", ".join(sorted(change.statuses))
            late = ActuatorError(
                f"{change.exporter} still is {statuses} after {seconds:g} s",
                remedy="The change needs every broker of the cluster: get all of them "
                "going, and run this again",
            )
        except BusyError as error:
            change.tell(f"{error.problem}: trying again")
            late = error
        if time.monotonic() >= deadline:
            raise late
        await asyncio.sleep(POLL_SECONDS)


def once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return what says every text once, however often it's told."""
    return lru_cache(maxsize=None)(say)
