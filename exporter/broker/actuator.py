"""
Ask a broker about its exporters, and make it disable, enable or delete one.

A broker keeps its log until each of its exporters has received it. To release the log
from an exporter:

- Every version from 8.6 on can disable the exporter. A disabled exporter stays in the
  list, even without its variables. If it is enabled again, it gets only new records.
- An exporter that was enabled when its variables were removed is CONFIG_NOT_FOUND and
  holds up the log for good. Only in this state can it be deleted (since 8.8, 8.7.12 and
  the 8.6 of that time; in earlier versions removing the variables was enough).

The actuator answers 202 to a change that takes a moment, 409 while another change is in
progress, and 400 (404 from 8.10 on) to a change that is impossible. From 8.10 on it
lists an exporter once for each physical tenant.
"""

import asyncio
import enum
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from exporter.base import codec
from exporter.base.errors import ExporterError
from exporter.net.tls import reason_of

DEFAULT_URL = "http://127.0.0.1:9600"
ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.2
MOST_CHARACTERS = 300
"""Characters of the broker's error message that are shown."""

WHERE = "Set --broker to a management port (usually 9600) that this machine reaches"


class ActuatorError(ExporterError):
    """The broker can't be asked, or refuses."""


class SilentError(ActuatorError):
    """Nothing answers."""


class BusyError(ActuatorError):
    """A change may succeed in a moment."""


class Step(enum.StrEnum):
    """What to do next about an exporter."""

    NOTHING = "do nothing about"
    WAIT = "wait for"
    DISABLE = "disable"
    DELETE = "delete"
    ENABLE = "enable"


NextStep = Callable[[Collection[str], Collection[Step]], Step]
"""What to do, given the statuses and the steps accepted so far."""


class Changed(NamedTuple):
    """An exporter after a change."""

    exporter: str
    statuses: set[str]
    """Empty if the broker doesn't list the exporter."""
    others: list[str]
    """The ids of the other exporters."""
    asked: bool
    """Whether any change was necessary."""


class Actuator:
    """The actuator of a broker or gateway, which speaks for the whole cluster."""

    def __init__(
        self, session: aiohttp.ClientSession, broker: str, tenant: str = ""
    ) -> None:
        """Ask at the management port of *broker* about one *tenant*, or about all."""
        self.url = URL(broker.rstrip("/").removesuffix("/actuator"))
        self._session, self._tenant = session, tenant
        self._exporters = self.url / "actuator" / "exporters"

    async def exporters(self) -> dict[str, dict[str, set[str]]]:
        """
        Return the statuses of every exporter, by its id and its physical tenant.

        Where there is only one tenant, it is called "".
        """
        status, body = await self._ask("GET", self._exporters)
        if status in (401, 403):
            raise ActuatorError(
                f"{self.url} requires credentials: it answers {status}",
                remedy="Send the request yourself, with credentials: docs/broker.md",
            )
        try:
            listed = _listed(status, body)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            below = f"{self.url.origin()}/orchestration"
            path = f"If Camunda has a context path, append it: --broker {below}. "
            raise ActuatorError(
                f"{self.url} answers {status}, but not like the actuator of a broker "
                "from 8.6 on",
                remedy=f"{path if status == 404 else ''}{WHERE}. For a broker before "
                "8.6 it is enough to remove its variables",
            ) from error
        tenants = {tenant for _, tenant, _ in listed}
        if self._tenant and tenants and self._tenant not in tenants:
            raise ActuatorError(
                f"{self.url} lists no exporters of a physical tenant {self._tenant}",
                remedy=f"It lists those of {', '.join(sorted(tenants - {''}))}"
                if tenants != {""}
                else "There are physical tenants from Camunda 8.10 on",
            )
        # A single tenant needn't be named, and older versions can't name it.
        is_named = self._tenant or len(tenants) > 1
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for name, tenant, state in listed:
            if self._tenant in ("", tenant):
                found[name][tenant if is_named else ""].add(state)
        return dict(found)

    async def request(self, step: Step, exporter: str, tenant: str) -> tuple[int, str]:
        """Ask for *step*; return the status and the message of the answer."""
        query = {"physicalTenant": tenant} if tenant else {}
        url = self._exporters / exporter
        if step is Step.DELETE:
            status, body = await self._ask("DELETE", url.with_query(query))
        else:
            # Some actuators refuse a request without a body: 415.
            url = (url / step).with_query(query)
            status, body = await self._ask("POST", url, json={})
        return status, f"{status} {_message(body)}".strip()

    async def _ask(self, method: str, url: URL, **more: Any) -> tuple[int, bytes]:
        try:
            async with self._session.request(
                method, url, allow_redirects=False, **more
            ) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else error
            raise SilentError(
                f"{self.url} can't be asked: {_printable(reason)}", remedy=WHERE
            ) from error
        if status == 409 or status >= 500:
            raise BusyError(
                f"{self.url} answers {status} {_message(body)}".rstrip(),
                remedy="See the log of the broker, and run this again in a moment",
            )
        return status, body


@asynccontextmanager
async def open_actuator(
    broker: str, *, tenant: str = "", seconds: float | None = None
) -> AsyncIterator[Actuator]:
    """Open the actuator at *broker*, which has *seconds* for each answer."""
    timeout = aiohttp.ClientTimeout(total=seconds or ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Actuator(session, broker, tenant)


def releasing(statuses: Collection[str], accepted: Collection[Step]) -> Step:
    """Return the next step to release the log from an exporter with *statuses*."""
    left = set(statuses) - {"DISABLED"}
    if not left:
        return Step.NOTHING
    if left & {"ENABLING", "DISABLING"}:
        return Step.WAIT
    step = Step.DELETE if "CONFIG_NOT_FOUND" in left else Step.DISABLE
    if step in accepted or (accepted and "UNKNOWN" in left):
        return Step.WAIT
    return step


def enabling(statuses: Collection[str], accepted: Collection[Step]) -> Step:
    """Return the next step to enable an exporter with *statuses*."""
    if "CONFIG_NOT_FOUND" in statuses or set(statuses) == {"ENABLED"}:
        return Step.NOTHING
    if "DISABLED" in statuses and Step.ENABLE not in accepted:
        return Step.ENABLE
    return Step.WAIT


async def change(
    actuator: Actuator,
    exporter: str,
    next_step: NextStep,
    seconds: float,
    say: Callable[[str], None],
) -> Changed:
    """
    Take steps until *next_step* has nothing left to do about *exporter* in any tenant.

    Raises `ActuatorError` after *seconds*. *say* gets each progress message once.
    """
    state = Changed(exporter, set(), [], asked=False)
    going = _Change(actuator, next_step, lru_cache(maxsize=None)(say), state)
    deadline = time.monotonic() + seconds
    while True:
        try:
            if await going.is_done():
                return going.state
            late = ActuatorError(
                f"{going.state.exporter} is still "
                f"{', '.join(sorted(going.state.statuses))} after {seconds:g} s",
                remedy="The change needs every broker of the cluster: start all of "
                "them, and run this again",
            )
        except BusyError as error:
            going.say(f"{error.problem}: trying again")
            late = error
        if time.monotonic() >= deadline:
            raise late
        await asyncio.sleep(POLL_SECONDS)


@dataclass
class _Change:
    """One change in progress, with the answers so far."""

    actuator: Actuator
    next_step: NextStep
    say: Callable[[str], None]
    state: Changed
    accepted: dict[str, set[Step]] = field(default_factory=lambda: defaultdict(set))

    async def is_done(self) -> bool:
        """Take the next step of the first tenant that needs one."""
        listed, name = await self.actuator.exporters(), self.state.exporter
        if name not in listed:
            name = next((x for x in listed if x.lower() == name.lower()), name)
        by_tenant = listed.pop(name, {})
        statuses, asked = set().union(*by_tenant.values()), bool(self.accepted)
        self.state = Changed(name, statuses, sorted(listed), asked)
        for tenant, each in sorted(by_tenant.items()):
            step = self.next_step(each, self.accepted.get(tenant, ()))
            if step is not Step.NOTHING:
                if step is not Step.WAIT:
                    await self._take(step, tenant)
                return False
        return True

    async def _take(self, step: Step, tenant: str) -> None:
        status, reply = await self.actuator.request(step, self.state.exporter, tenant)
        name = named(self.state.exporter, tenant)
        if status == 202:
            self.say(f"The broker accepts the request to {step} {name}")
        elif step is Step.DELETE:  # to disable it releases the log as well
            self.say(f"The broker doesn't delete {name}: {reply}")
            await self._take(Step.DISABLE, tenant)
        else:
            raise ActuatorError(
                f"The broker doesn't {step} {name}: {reply}",
                remedy="See the log of the broker, fix the cause, and run this again",
            )
        self.accepted[tenant].add(step)


def named(exporter: str, tenant: str) -> str:
    """Name an exporter, with its physical tenant if there are several."""
    return f"{exporter} of the physical tenant {tenant}" if tenant else exporter


def _listed(status: int, body: bytes) -> list[list[str]]:
    """Return the id, physical tenant and status of each exporter in an answer."""
    if status != 200:
        raise ValueError(status)
    return [
        list(
            map(
                _printable,
                (x["exporterId"], x.get("physicalTenant") or "", x["status"]),
            )
        )
        for x in codec.decode(body)
    ]


def _message(body: bytes) -> str:
    """Return the message of an error, on one line and not too long."""
    try:
        return _printable(codec.decode(body)["message"])[:MOST_CHARACTERS]
    except (ValueError, TypeError, LookupError):
        return ""


def _printable(value: object) -> str:
    return "".join(each if each.isprintable() else " " for each in str(value))
