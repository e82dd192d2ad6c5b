"""
A client for an engine's REST API (version 2).

Keys are returned as the engine sends them: numbers up to 8.7, strings from 8.8 on.
"""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self

import aiohttp

Key = int | str

# An engine that is overloaded, or has no leader yet, answers with one of these.
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
ATTEMPTS = 600
PAUSE_SECONDS = 0.05


class CommandError(Exception):
    """The engine refused a command."""

    def __init__(self, status: int, command: str, answer: str) -> None:
        super().__init__(f"The engine answered {status} to {command}: {answer}")
        self.status = status


class Client:
    """The engine's commands that we use; `async with` opens connections."""

    def __init__(self, rest_url: str) -> None:
        self._url = f"{rest_url}/v2"
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def topology(self) -> dict[str, Any]:
        """Return the brokers of the cluster with their partitions and roles."""
        return await self.ask("GET", "topology")

    async def has_leader(self) -> bool:
        """Return whether a partition has a leader; False while the engine is down."""
        try:
            brokers = (await self.topology())["brokers"]
        except (aiohttp.ClientError, CommandError, ValueError, LookupError, OSError):
            return False
        states = [(x["role"], x["health"]) for b in brokers for x in b["partitions"]]
        return ("leader", "healthy") in states

    async def deploy(self, resources: Mapping[str, bytes]) -> dict[str, Any]:
        """Deploy *resources*, by file name; return their new keys and versions."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, content in resources.items():
            form.add_field("resources", content, filename=name)
        return await self.ask("POST", "deployments", data=form)

    async def create_instance(
        self, process: str, variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start an instance of the latest version of a process."""
        body = {"processDefinitionId": process, "variables": variables or {}}
        return await self.ask("POST", "process-instances", json=body)

    async def assign(self, task: Key, assignee: str, *, override: bool = True) -> None:
        """Assign a user task; without *override*, claim it."""
        body = {"assignee": assignee, "allowOverride": override}
        await self.ask("POST", f"user-tasks/{task}/assignment", json=body)

    async def complete(
        self, task: Key, variables: Mapping[str, Any] | None = None
    ) -> None:
        """Complete a user task."""
        body = {"variables": variables or {}}
        await self.ask("POST", f"user-tasks/{task}/completion", json=body)

    async def ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Send the command at *path*, below `/v2`; return the engine's answer."""
        for _ in range(ATTEMPTS):
            url = f"{self._url}/{path}"
            async with self._session.request(method, url, **content) as answer:
                text = await answer.text()
            if answer.status not in BUSY:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise CommandError(answer.status, f"{method} {path}", text)
        found: dict[str, Any] = json.loads(text) if text else {}
        return found
