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
import time
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import aiohttp
from yarl import URL

from exporter.base import codec
from exporter.base.errors import ExporterError
from exporter.events import DEFAULT_TENANT
from exporter.net.tls import reason_of

DEFAULT_URL = "http://127.0.0.1:9600"
ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.2
MOST_CHARACTERS = 300
"""Characters of the broker's error message that are shown."""

WHERE = "Set --broker to a management port (usually 9600) that this machine reaches"

Step = Literal["done", "wait", "disable", "delete", "enable"]
NextStep = Callable[[set[str]], Step]
"""Returns the next step, given the statuses of an exporter."""


class ActuatorError(ExporterError):
    """The broker can't be asked, or refuses."""


class SilentError(ActuatorError):
    """Nothing answers."""


class BusyError(ActuatorError):
    """A change may succeed in a moment."""


class Actuator:
    """The actuator of a broker or gateway, which speaks for the whole cluster."""

    def __init__(self, broker: str, *, seconds: float | None = None) -> None:
        """Ask at the management port of *broker*, which has *seconds* to answer."""
        self.url = URL(broker.rstrip("/").removesuffix("/actuator"))
        self._timeout = aiohttp.ClientTimeout(total=seconds or ANSWER_SECONDS)

    async def exporters(self) -> dict[str, dict[str, set[str]]]:
        """
        Return the statuses of every exporter, by its id and its physical tenant.

        Up to 8.9, the tenant is called "".
        """
        status, body = await self._ask("GET")
        if status != 200:
            raise self._stranger(status)
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        try:
            for each in codec.decode(body):
                tenants = found[f"{each['exporterId']}"]
                tenants[each.get("physicalTenant") or ""].add(f"{each['status']}")
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise self._stranger(status) from error
        return dict(found)

    async def request(self, step: Step, exporter: str, tenant: str) -> str:
        """Ask for *step*; return "" if it is accepted, or else the broker's answer."""
        query = {"physicalTenant": tenant} if tenant else {}
        if step == "delete":
            status, body = await self._ask("DELETE", exporter, params=query)
        else:
            # Some actuators refuse a request without a body: 415.
            status, body = await self._ask(
                "POST", exporter, step, params=query, json={}
            )
        return "" if status == 202 else f"{status} {_message(body)}".strip()

    async def _ask(self, method: str, *path: str, **more: Any) -> tuple[int, bytes]:
        url = self.url.joinpath("actuator", "exporters", *path)
        try:
            async with aiohttp.request(
                method, url, allow_redirects=False, timeout=self._timeout, **more
            ) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            reason = reason_of(error)
            raise SilentError(
                f"{self.url} can't be asked: {reason}", remedy=WHERE
            ) from error
        if status == 409 or status >= 500:
            raise BusyError(
                f"{self.url} answers {status} {_message(body)}".rstrip(),
                remedy="See the log of the broker, and run this again in a moment",
            )
        return status, body

    def _stranger(self, status: int) -> ActuatorError:
        """Return the error about an answer that isn't a list of exporters."""
        if status in (401, 403):
            return ActuatorError(
                f"{self.url} requires credentials: it answers {status}",
                remedy="Send the request yourself, with credentials: docs/broker.md",
            )
        below = f"{self.url.origin()}/orchestration"
        path = f"If Camunda has a context path, append it: --broker {below}. "
        return ActuatorError(
            f"{self.url} answers {status}, but not like the actuator of a broker from "
            "8.6 on",
            remedy=f"{path if status == 404 else ''}{WHERE}. For a broker before 8.6 "
            "it is enough to remove its variables",
        )


def releasing(statuses: set[str]) -> Step:
    """Return the next step to release the log from an exporter with *statuses*."""
    left = statuses - {"DISABLED"}
    if left & {"ENABLING", "DISABLING"}:
        return "wait"
    if not left:
        return "done"
    return "delete" if "CONFIG_NOT_FOUND" in left else "disable"


def enabling(statuses: set[str]) -> Step:
    """Return the next step to enable an exporter with *statuses*."""
    if "CONFIG_NOT_FOUND" in statuses or statuses == {"ENABLED"}:
        return "done"
    return "enable" if "DISABLED" in statuses else "wait"


class Change:
    """A change of an exporter, with one step in every physical tenant that has it."""

    def __init__(
        self,
        actuator: Actuator,
        exporter: str,
        next_step: NextStep,
        say: Callable[[str], None],
        *,
        tenant: str = "",
    ) -> None:
        """Change one *tenant*, or all; *say* gets each progress message once."""
        self._actuator = actuator
        self._next_step = next_step
        self._tenant = tenant
        self._say = lru_cache(maxsize=None)(say)
        self.exporter = exporter
        self.statuses: set[str] = set()
        """Empty if the broker doesn't list the exporter."""
        self.others: list[str] = []
        """The ids of the other exporters."""
        self.accepted: set[str] = set()
        """The tenants in which the broker accepted the step."""

    async def finish(self, seconds: float) -> None:
        """Return when no step is left, or raise `ActuatorError` after *seconds*."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if await self._is_done():
                    return
                state = ", ".join(sorted(self.statuses))
                late = ActuatorError(
                    f"{self.exporter} is still {state} after {seconds:g} s",
                    remedy="The change needs every broker of the cluster: start all of "
                    "them, and run this again",
                )
            except BusyError as error:
                self._say(f"{error.problem}: trying again")
                late = error
            if time.monotonic() >= deadline:
                raise late
            await asyncio.sleep(POLL_SECONDS)

    async def _is_done(self) -> bool:
        """Take the step of the first tenant that needs one."""
        listed, name = await self._actuator.exporters(), self.exporter
        if name not in listed:
            name = next((x for x in listed if x.lower() == name.lower()), name)
        tenants: set[str] = set().union(*listed.values())
        if tenants and not self.accepted and self._tenant not in {"", *tenants}:
            known = ", ".join(sorted(filter(None, tenants))) or "none"
            raise ActuatorError(
                f"The broker lists no exporters of a physical tenant {self._tenant}",
                remedy=f"Its physical tenants (from Camunda 8.10 on): {known}",
            )
        by_tenant = {
            tenant: statuses
            for tenant, statuses in listed.pop(name, {}).items()
            if self._tenant in ("", tenant)
        }
        self.exporter, self.others = name, sorted(listed)
        self.statuses = set().union(*by_tenant.values())
        for tenant, statuses in sorted(by_tenant.items()):
            step = self._next_step(statuses)
            if step != "done":
                # The list may show the old status for a moment.
                if step != "wait" and tenant not in self.accepted:
                    await self._take(step, tenant)
                return False
        return True

    async def _take(self, step: Step, tenant: str) -> None:
        name = named(self.exporter, tenant)
        if refusal := await self._actuator.request(step, self.exporter, tenant):
            raise ActuatorError(
                f"The broker doesn't {step} {name}: {refusal}",
                remedy="See the log of the broker, fix the cause, and run this again",
            )
        self._say(f"The broker accepts the request to {step} {name}")
        self.accepted.add(tenant)


def named(exporter: str, tenant: str) -> str:
    """Name an exporter, with its physical tenant unless that is the default one."""
    if tenant in ("", DEFAULT_TENANT):
        return exporter
    return f"{exporter} of the physical tenant {tenant}"


def _message(body: bytes) -> str:
    """Return the message of an error, on one line and not too long."""
    try:
        return " ".join(codec.decode(body)["message"].split())[:MOST_CHARACTERS]
    except (ValueError, TypeError, LookupError, AttributeError):
        return ""
