"""
Ask an engine to do something, over its REST API (version 2).

Keys come back as the engine sends them: numbers up to 8.7, strings from 8.8 on. A busy
engine says so and is asked again, as its official clients do.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self

import aiohttp

from exporter.demo.errors import EngineError

Key = int | str

# How often, and how soon, an engine is asked again that has too much to do.
ATTEMPTS = 200
PAUSE_SECONDS = 0.05


class Engine:
    """The commands that we need of an engine; open it with `async with`."""

    def __init__(self, rest_url: str) -> None:
        """Talk to the engine whose REST API is at *rest_url*."""
        self._url = f"{rest_url}/v2"
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        """Open connections as they are needed."""
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._session.close()

    async def topology(self) -> dict[str, Any]:
        """Return who is in the cluster and who leads."""
        return await self.ask("GET", "topology")

    async def deploy(self, resources: Mapping[str, bytes]) -> dict[str, Any]:
        """Deploy *resources*, by file name; return the keys and versions they got."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, content in resources.items():
            form.add_field("resources", content, filename=name)
        return await self.ask("POST", "deployments", data=form)

    async def create_instance(
        self, definition: Key, variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start an instance of the process with the key *definition*."""
        body = {"processDefinitionKey": definition, "variables": variables or {}}
        return await self.ask("POST", "process-instances", json=body)

    async def cancel_instance(self, instance: Key) -> None:
        """Cancel an instance, and with it what is open in it."""
        await self.ask("POST", f"process-instances/{instance}/cancellation", json={})

    async def assign(self, task: Key, assignee: str) -> None:
        """Give a user task to *assignee*, whoever has it."""
        body = {"assignee": assignee, "allowOverride": True}
        await self.ask("POST", f"user-tasks/{task}/assignment", json=body)

    async def unassign(self, task: Key) -> None:
        """Take a user task from whoever has it."""
        await self.ask("DELETE", f"user-tasks/{task}/assignee")

    async def update(self, task: Key, changes: Mapping[str, Any]) -> None:
        """Change the dates, the candidates or the priority of a user task."""
        await self.ask("PATCH", f"user-tasks/{task}", json={"changeset": changes})

    async def complete(
        self, task: Key, variables: Mapping[str, Any] | None = None
    ) -> None:
        """Complete a user task."""
        body = {"variables": variables or {}}
        await self.ask("POST", f"user-tasks/{task}/completion", json=body)

    async def ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Give the command at *path*, below `/v2`; return what the engine answers."""
        for _ in range(ATTEMPTS):
            status, answer = await self._try(method, path, **content)
            if status != 429:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        if status >= 400:
            raise EngineError(status, f"{method} {path}", answer)
        found: dict[str, Any] = json.loads(answer) if answer else {}
        return found

    async def _try(self, method: str, path: str, **content: Any) -> tuple[int, str]:
        url = f"{self._url}/{path}"
        async with self._session.request(method, url, **content) as answer:
            return answer.status, await answer.text()
