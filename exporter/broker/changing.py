"""
Have a broker release an exporter, or export to it again, and wait until that is done.

A broker remembers its exporters in the configuration of the cluster, and keeps its log
until each of them has received it. How an exporter is released:

- Disabled, an exporter gets nothing and holds nothing up, in every version from 8.6 on.
  It stays in the list, without its variables, too, and disabled when they come back;
  enabled again, it gets what happens from that moment on.
- Without its variables an exporter that was enabled holds up the log for good
  (CONFIG_NOT_FOUND); in this state, and in no other, it can be deleted. So it is since
  8.8 and the patches of autumn 2025 (8.7.12 and the 8.6 of that time); in earlier ones
  to remove the variables was enough.
"""

import asyncio
import enum
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

from exporter.broker.actuator import Actuator, ActuatorError, BusyError

POLL_SECONDS = 0.2


class Step(enum.StrEnum):
    """What to do next about an exporter."""

    NOTHING = "do nothing about"
    WAIT = "wait for"
    DISABLE = "disable"
    DELETE = "delete"
    ENABLE = "enable"


class Changed(NamedTuple):
    """An exporter about which nothing is left to do."""

    exporter: str
    """As the broker lists it."""
    statuses: set[str]
    """Empty when the broker doesn't know it (any more)."""
    others: list[str]
    """The other exporters that the broker lists."""
    asked: bool
    """Whether something had to be done."""


def releasing(
    statuses: Collection[str],
    accepted: Collection[Step] = (),
    *,
    deletable: bool = True,
) -> Step:
    """
    Return the next step to release the log from an exporter with *statuses*.

    *accepted* was asked for and may not be done yet; what the broker has refused to
    delete is not *deletable*.
    """
    left = set(statuses) - {"DISABLED"}
    if not left:
        return Step.NOTHING
    if left & {"ENABLING", "DISABLING"}:
        return Step.WAIT
    gone = "CONFIG_NOT_FOUND" in left
    step = Step.DELETE if gone and deletable else Step.DISABLE
    if step in accepted or (accepted and "UNKNOWN" in left):
        return Step.WAIT
    return step


def enabling(
    statuses: Collection[str],
    accepted: Collection[Step] = (),
    *,
    deletable: bool = True,  # noqa: ARG001 -- as `releasing` has it
) -> Step:
    """Return the next step to enable an exporter that has *statuses*."""
    if "CONFIG_NOT_FOUND" in statuses or set(statuses) == {"ENABLED"}:
        return Step.NOTHING
    if "DISABLED" in statuses and Step.ENABLE not in accepted:
        return Step.ENABLE
    return Step.WAIT


async def change(
    actuator: Actuator,
    wanted: str,
    next_step: Callable[..., Step],
    seconds: float,
    say: Callable[[str], None],
) -> Changed:
    """
    Return when *next_step* has nothing more to do about *wanted* in any tenant.

    That may take so many *seconds*; *say* what is done until then, each thing once.
    """
    going = _Change(actuator, wanted, next_step, lru_cache(maxsize=None)(say))
    deadline = time.monotonic() + seconds
    while True:
        try:
            if done := await going.go_on():
                return done
            late = ActuatorError(
                f"{going.done.exporter} still is "
                f"{', '.join(sorted(going.done.statuses))} after {seconds:g} s",
                remedy="The change needs every broker of the cluster: get all of them "
                "going, and run this again",
            )
        except BusyError as error:
            going.tell(f"{error.problem}: trying again")
            late = error
        if time.monotonic() >= deadline:
            raise late
        await asyncio.sleep(POLL_SECONDS)


class _Change:
    """One change: the requests so far, and their answers."""

    def __init__(
        self,
        actuator: Actuator,
        wanted: str,
        next_step: Callable[..., Step],
        tell: Callable[[str], None],
    ) -> None:
        self._actuator = actuator
        self._next_step = next_step
        self.tell = tell
        self.done = Changed(wanted, set(), [], asked=False)
        self._accepted: dict[str, set[Step]] = defaultdict(set)
        self._deletable = True

    async def go_on(self) -> Changed | None:
        """Do the next step; return the result if no step is left."""
        listed, name = await self._actuator.exporters(), self.done.exporter
        if name not in listed:
            name = next((x for x in listed if x.lower() == name.lower()), name)
        by_tenant = listed.pop(name, {})
        statuses, asked = set().union(*by_tenant.values()), bool(self._accepted)
        self.done = Changed(name, statuses, sorted(listed), asked)
        for tenant, each in sorted(by_tenant.items()):
            accepted = self._accepted.get(tenant, ())
            step = self._next_step(each, accepted, deletable=self._deletable)
            if step is Step.NOTHING:
                continue
            if step is not Step.WAIT:
                await self._ask_for(step, tenant)
            return None
        return self.done

    async def _ask_for(self, step: Step, tenant: str) -> None:
        reply = await self._actuator.change(step, self.done.exporter, tenant)
        name = named(self.done.exporter, tenant)
        if reply.status == 202:
            self._accepted[tenant].add(step)
            self.tell(f"The broker takes the request to {step} {name}")
        elif step is Step.DELETE:
            self._deletable = False
            self.tell(f"The broker doesn't delete {name}: {reply}")
        else:
            raise ActuatorError(
                f"The broker doesn't {step} {name}: {reply}",
                remedy="The broker's log says why: fix that, and run this again",
            )


def named(exporter: str, tenant: str) -> str:
    """Name an exporter, and its physical tenant if that isn't the only one."""
    return f"{exporter} of the physical tenant {tenant}" if tenant else exporter
