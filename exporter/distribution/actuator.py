"""
Have a broker stop keeping its log for an exporter, by asking its actuator.

A broker remembers its exporters in the configuration of the cluster, and keeps its log
until each of them has got it. What it takes to be released from that:

- Disabled, an exporter gets nothing and holds nothing up, in every version from 8.6 on.
  It stays in the list, without its variables, too, and disabled when they come back.
- Without its variables an exporter that was enabled holds up the log for good
  (CONFIG_NOT_FOUND); in this state, and in no other, it can be deleted. So it is since
  8.8 and the patches of autumn 2025 (8.7.12 and the 8.6 of that time); in earlier ones
  to remove the variables was enough.

Answers to a request for a change: 202, it is done after a moment; 409, another change
is in progress; 400, or 404 from 8.10 on, it can't be. From 8.10 on a cluster lists an
exporter once for each physical tenant, and changes that of the tenant it is told.
"""

import enum
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from exporter import codec
from exporter.distribution.changing import (
    ActuatorError,
    BusyError,
    SilentError,
    insist,
    once,
)

USUAL = "http://127.0.0.1:9600"
ANSWER_SECONDS = 10.0
MOST_SAID = 300
"""Characters of what a broker says about an error."""

WHERE = (
    "Name the management port of a broker or gateway, 9600 unless it was changed, by "
    "--broker, and run this where that is reached"
)


class Step(enum.Enum):
    """What to do next about an exporter."""

    NOTHING = "do nothing about"
    WAIT = "wait for"
    DISABLE = "disable"
    DELETE = "delete"


def next_step(
    statuses: Collection[str],
    accepted: Collection[Step] = (),
    *,
    deletable: bool = True,
) -> Step:
    """
    Return what releases the log from an exporter that is listed with *statuses*.

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


Statuses = dict[str, set[str]]
"""By physical tenant; one that needn't be named is ''."""


class Reply(NamedTuple):
    """A status, and what the broker says about it if it's an error."""

    status: int
    said: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.status} {self.said}".strip()


class Actuator:
    """The actuator of one broker or gateway, which speaks for the whole cluster."""

    def __init__(
        self, session: aiohttp.ClientSession, broker: str, tenant: str = ""
    ) -> None:
        """Ask at the management port of *broker* about one *tenant*, or about all."""
        self.url = URL(broker.rstrip("/").removesuffix("/actuator"))
        self._session = session
        self._tenant = tenant
        self._exporters = self.url / "actuator" / "exporters"

    async def exporters(self) -> dict[str, Statuses]:
        """Return the statuses of every exporter, by its id and physical tenant."""
        status, body = await self._ask("GET", self._exporters)
        if status in (401, 403):
            raise ActuatorError(
                f"{self.url} wants credentials: it answers {status}",
                remedy="Ask it yourself, with these: docs/broker.md says what",
            )
        try:
            if status != 200:
                raise ValueError(status)  # noqa: TRY301 -- as what isn't a list
            listed = [
                (
                    _plain(each["exporterId"]),
                    _plain(each.get("physicalTenant") or ""),
                    _plain(each["status"]),
                )
                for each in codec.decode(body)
            ]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            below = f"{self.url.origin()}/orchestration"
            path = f"If Camunda has a context path, append it, like --broker {below}. "
            raise ActuatorError(
                f"{self.url} answers {status}, and not as the actuator of a broker "
                "from 8.6 on does",
                remedy=f"{path if status == 404 else ''}{WHERE}. A broker before 8.6 "
                "only needs its variables removed",
            ) from error
        return self._sorted(listed)

    def _sorted(self, listed: list[tuple[str, str, str]]) -> dict[str, Statuses]:
        """Sort what is listed, that of one tenant if one was named."""
        tenants = {tenant for _, tenant, _ in listed}
        if self._tenant and tenants and self._tenant not in tenants:
            raise ActuatorError(
                f"{self.url} lists no exporters of a physical tenant {self._tenant}",
                remedy=f"It lists those of {', '.join(sorted(tenants - {''}))}"
                if tenants != {""}
                else "There are physical tenants from Camunda 8.10 on",
            )
        found: dict[str, Statuses] = defaultdict(lambda: defaultdict(set))
        for name, tenant, state in listed:
            if self._tenant in ("", tenant):
                # A tenant alone needn't be named, nor can it in older versions.
                is_named = self._tenant or len(tenants) > 1
                found[name][tenant if is_named else ""].add(state)
        return dict(found)

    async def change(self, step: Step, exporter: str, tenant: str) -> Reply:
        """Ask for *step* about *exporter* of *tenant*, and return the answer."""
        if step is not Step.DELETE:
            return await self.post(exporter, "disable", tenant)
        url = self._exporters / exporter % _query(tenant)
        status, body = await self._ask("DELETE", url)
        return Reply(status, _said(body))

    async def post(self, exporter: str, operation: str, tenant: str) -> Reply:
        """Ask for *operation* about *exporter* of *tenant*, and return the answer."""
        url = self._exporters / exporter / operation % _query(tenant)
        # An actuator that reads a body refuses a request without one: 415.
        status, body = await self._ask("POST", url, json={})
        return Reply(status, _said(body))

    async def _ask(self, method: str, url: URL, **more: Any) -> tuple[int, bytes]:
        try:
            async with self._session.request(
                method, url, allow_redirects=False, **more
            ) as answer:
                status, body = answer.status, await answer.read()
        except TimeoutError as error:
            raise SilentError(
                f"{self.url} doesn't answer in time",
                remedy="Look whether it is a broker, and well; then run this again",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SilentError(
                f"{self.url} can't be asked: {_reason(error)}", remedy=WHERE
            ) from error
        if status == 409 or status >= 500:
            raise BusyError(f"{self.url} answers {Reply(status, _said(body))}")
        return status, body


@asynccontextmanager
async def open_actuator(
    broker: str, *, tenant: str = "", seconds: float | None = None
) -> AsyncIterator[Actuator]:
    """Yield the actuator at *broker*, which has so many *seconds* for each answer."""
    timeout = aiohttp.ClientTimeout(total=seconds or ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Actuator(session, broker, tenant)


class Released(NamedTuple):
    """An exporter that holds up no log any more."""

    exporter: str
    status: str | None
    """`DISABLED`, or None when the broker doesn't know it (any more)."""
    others: list[str]
    """The other exporters that the broker lists."""
    asked: bool
    """Whether something had to be done."""


async def release(
    actuator: Actuator, wanted: str, seconds: float, say: Callable[[str], None]
) -> Released:
    """Return when *wanted* holds up the log no more; *say* what is done until then."""
    return await insist(_Release(actuator, wanted, say), seconds)


class _Release:
    """What was asked for so far, and what was answered."""

    def __init__(
        self, actuator: Actuator, wanted: str, say: Callable[[str], None]
    ) -> None:
        self._actuator = actuator
        self.exporter = wanted
        self.tell = once(say)
        self._accepted: dict[str, set[Step]] = defaultdict(set)
        self._deletable = True
        self.statuses: set[str] = set()

    async def go_on(self) -> Released | None:
        """Look, and do the next step; return the end of it if there is no more."""
        listed = await self._actuator.exporters()
        for name in listed:
            if name.lower() == self.exporter.lower():
                self.exporter = name
        by_tenant = listed.pop(self.exporter, {})
        self.statuses = set().union(*by_tenant.values())
        for tenant, statuses in sorted(by_tenant.items()):
            accepted = self._accepted[tenant]
            step = next_step(statuses, accepted, deletable=self._deletable)
            if step is Step.NOTHING:
                continue
            if step is not Step.WAIT:
                await self._ask_for(step, tenant)
            return None
        status = "DISABLED" if self.statuses else None
        asked = any(self._accepted.values())
        return Released(self.exporter, status, sorted(listed), asked)

    async def _ask_for(self, step: Step, tenant: str) -> None:
        reply = await self._actuator.change(step, self.exporter, tenant)
        name = named(self.exporter, tenant)
        if reply.status == 202:
            self._accepted[tenant].add(step)
            self.tell(f"The broker takes the request to {step.value} {name}")
        elif step is Step.DELETE:
            self._deletable = False
            self.tell(f"The broker doesn't delete {name}: {reply}")
        else:
            raise ActuatorError(
                f"The broker doesn't disable {name}: {reply}",
                remedy="Its log says more; mend that, and run this again",
            )


def named(exporter: str, tenant: str) -> str:
    """Name an exporter, and its physical tenant if that isn't the only one."""
    return f"{exporter} of the physical tenant {tenant}" if tenant else exporter


def _query(tenant: str) -> dict[str, str]:
    return {"physicalTenant": tenant} if tenant else {}


def _reason(error: Exception) -> str:
    """Return why there is no answer, in the words of the system if it has any."""
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return _plain(error)


def _said(body: bytes) -> str:
    """Return the message of an error, on one line and not longer than is read."""
    try:
        text = _plain(codec.decode(body)["message"])
    except (ValueError, TypeError, LookupError):
        return ""
    return text[:MOST_SAID]


def _plain(value: object) -> str:
    return "".join(each if each.isprintable() else " " for each in str(value))
