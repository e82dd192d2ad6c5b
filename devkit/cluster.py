"""
Several brokers, of which one leads; if the leader ends, another broker takes over.

This is simpler than a real cluster: the brokers share a directory, and the broker that
holds the lock of its journal leads. The system releases the lock of a killed process,
and another broker continues with the same journal and snapshot. There is no majority,
and a leader that hangs isn't replaced.
"""

import asyncio
import fcntl
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from devkit.arguments import number_of
from devkit.stories import CannotStartError

if TYPE_CHECKING:
    from devkit.broker import Broker

LOOK_SECONDS, COMMAND_SECONDS = 0.2, 30.0
SHARED = "RECORDED_ENGINE_SHARED"
"""The variable that names the directory of a cluster."""


class Cluster:
    """One broker's view of its cluster; a single broker always leads."""

    def __init__(
        self, broker: "Broker", environ: Mapping[str, str], data: Path | None
    ) -> None:
        """Read the members from *environ*; *data* is for a single broker."""
        self._broker = broker
        name = "INITIALCONTACTPOINTS"
        contacts = environ.get(f"ZEEBE_BROKER_CLUSTER_{name}")
        contacts = contacts or environ.get(f"CAMUNDA_CLUSTER_{name}", "")
        every = contacts.replace(" ", "").split(",")
        self._hosts = [each.partition(":")[0] for each in every]
        self.size = len(every)
        names = "ZEEBE_BROKER_CLUSTER_NODEID", "CAMUNDA_CLUSTER_NODEID"
        self.number = number_of(environ, names, range(self.size))
        if self.size > 1 and not environ.get(SHARED):
            raise CannotStartError(f"A cluster needs a shared directory: set {SHARED}")
        self.directory = Path(environ[SHARED]) if self.size > 1 else data
        if self.directory:
            self.directory.mkdir(parents=True, exist_ok=True)
        self.leads = False

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Join the cluster; a single broker leads at once."""
        if self.size == 1:
            if not self._lead():
                raise CannotStartError(f"Another broker uses {self.directory}")
            yield
            return
        timeout = aiohttp.ClientTimeout(total=COMMAND_SECONDS)
        with self._path(f"broker-{self.number}").open("a") as file:
            # This lock shows the other brokers that this one is alive.
            fcntl.flock(file, fcntl.LOCK_EX)
            async with aiohttp.ClientSession(timeout=timeout) as self._session:
                yield

    async def work(self) -> None:
        """Wait until this broker leads, then work as the leader until cancelled."""
        while True:
            if self.leads or self._lead():
                await self._broker.work()
            await asyncio.sleep(LOOK_SECONDS)

    def _path(self, name: str) -> Path:
        return Path(self.directory or "") / name

    def _lead(self) -> bool:
        """Become the leader if there is none; return whether that succeeded."""
        if self.directory:
            try:
                self._broker.engine.open(self._path("journal.jsonl"))
            except BlockingIOError:
                return False
            about = {"number": self.number, "rest": self._broker.rest_url}
            about["management"] = self._broker.management_url
            self._path("leader.json").write_text(json.dumps(about), "utf-8")
        self.leads = True
        self._broker.lead()
        return True

    def _leader(self) -> dict[str, Any]:
        """Return number and URLs of the latest leader, or {} if there was none."""
        path = self._path("leader.json")
        found: dict[str, Any] = json.loads((path.exists() and path.read_text()) or "{}")
        return found

    def _alive(self) -> Iterator[int]:
        """Yield the numbers of the live brokers, whose files are locked."""
        for number in range(self.size):
            with self._path(f"broker-{number}").open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield number

    @web.middleware
    async def at_the_leader(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Handle a request if this broker leads, else forward it to the leader."""
        if self.leads or "/health" in request.path or request.path == "/v2/topology":
            return await handler(request)
        leader = self._leader()
        if not leader:
            return _problem(503, "There is no leader")
        url = leader["management" if "/actuator" in request.path else "rest"]
        url = re.sub("//[^:]+", f"//{self._hosts[leader['number']]}", url)
        kind = request.headers.get("Content-Type", "")
        try:
            async with self._session.request(
                request.method,
                url + request.path_qs,
                data=await request.read(),
                headers={"Content-Type": kind},
            ) as found:
                body, kind = await found.read(), found.content_type
                return web.Response(status=found.status, body=body, content_type=kind)
        except aiohttp.ClientConnectorError:
            return _problem(503, "There is no leader: it has ended")
        except (aiohttp.ClientError, OSError):
            return _problem(504, "The leader ended, or is overloaded")

    def topology(self) -> dict[str, Any]:
        """Return the live brokers and their roles in the REST API's form."""
        count, version = self._broker.partitions_count, self._broker.version
        leader = self.number if self.leads else self._leader().get("number")
        return {
            "clusterSize": self.size,
            "partitionsCount": count,
            "replicationFactor": self.size,
            "gatewayVersion": version,
            "brokers": [
                {
                    "nodeId": node,
                    "version": version,
                    "partitions": [
                        {
                            "partitionId": number,
                            "role": "leader" if node == leader else "follower",
                            "health": "healthy",
                        }
                        for number in range(1, count + 1)
                    ],
                }
                for node in (self._alive() if self.size > 1 else [self.number])
            ],
        }


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
