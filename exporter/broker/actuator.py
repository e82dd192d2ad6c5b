"""
The actuator of a broker, as far as it is about exporters.

Answers to a request for a change: 202, it is done after a moment; 409, another change
is in progress; 400, or 404 from 8.10 on, it can't be. From 8.10 on a cluster lists an
exporter once for each physical tenant, and changes that of the tenant it is told.
"""

import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from exporter.base import codec
from exporter.base.errors import ExporterError

USUAL = "http://127.0.0.1:9600"
ANSWER_SECONDS = 10.0
MOST_SAID = 300
"""Characters of what a broker says about an error."""

WHERE = (
    "Name the management port of a broker or gateway, 9600 unless it was changed, by "
    "--broker, and run this where that is reached"
)

Statuses = dict[str, set[str]]
"""By physical tenant; one that needn't be named is ''."""


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

    async def change(self, verb: str, exporter: str, tenant: str) -> Reply:
        """Ask to disable, enable or delete *exporter* of *tenant*."""
        url = self._exporters / exporter
        if tenant:
            url = url.with_query(physicalTenant=tenant)
        if verb == "delete":
            status, body = await self._ask("DELETE", url)
        else:
            # An actuator that reads a body refuses a request without one: 415.
            url = (url / verb).with_query(url.query)
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
                remedy="Check that it is a healthy broker; then run this again",
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
