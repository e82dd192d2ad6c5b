"""
Several brokers with one leader, which another one replaces when it is gone.

Much simpler than the real thing on purpose: the brokers share a directory, and the one
that has locked the journal there leads. The lock of a process that was killed is free,
so that another broker goes on with the same journal and the same snapshot. There is no
majority, and a leader that only hangs isn't replaced.
"""

import asyncio
import fcntl
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from devkit.arguments import number_of
from devkit.stories import CannotStartError
from devkit.waiting import ended

if TYPE_CHECKING:
    from devkit.broker import Broker

LOOK_SECONDS, COMMAND_SECONDS = 0.2, 30.0
CONTACT = re.compile(r"([^:/]+)(:[0-9]{1,5})?")
SHARED = "RECORDED_ENGINE_SHARED"
"""The variable that names the directory of a cluster."""


class Cluster:
    """What one broker knows of the others; alone, it leads."""

    def __init__(
        self, broker: "Broker", environ: Mapping[str, str], data: Path | None
    ) -> None:
        """Read from *environ* who the others are; *data* is for a broker alone."""
        self._broker = broker
        name = "INITIALCONTACTPOINTS"
        contacts = environ.get(f"ZEEBE_BROKER_CLUSTER_{name}")
        contacts = contacts or environ.get(f"CAMUNDA_CLUSTER_{name}", "")
        every = [each for each in contacts.replace(" ", "").split(",") if each]
        if not all(CONTACT.fullmatch(each) for each in every):
            raise CannotStartError(f"{contacts!r} aren't hosts with their ports")
        self._hosts = [each.partition(":")[0] for each in every]
        self.size = max(len(every), 1)
        names = "ZEEBE_BROKER_CLUSTER_NODEID", "CAMUNDA_CLUSTER_NODEID"
        self.number = number_of(environ, names, range(self.size))
        if self.size > 1 and not environ.get(SHARED):
            raise CannotStartError(f"Several brokers need a directory in {SHARED}")
        self.directory = Path(environ[SHARED]) if self.size > 1 else data
        if self.directory:
            self.directory.mkdir(parents=True, exist_ok=True)
        self.leads = False

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Lead at once when alone; else as soon as nobody else does."""
        if self.size == 1:
            if not self._lead():
                raise CannotStartError(f"Another broker uses {self.directory}")
            yield
            return
        timeout = aiohttp.ClientTimeout(total=COMMAND_SECONDS)
        about = {"rest": self._broker.rest_url}
        about["management"] = self._broker.management_url
        with self._path(self.number).open("w", encoding="utf-8") as file:
            # It is locked as long as this broker lives.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(about))
            file.flush()
            async with aiohttp.ClientSession(timeout=timeout) as self._session:
                waiting = self._broker.begin(self._wait())
                try:
                    yield
                finally:
                    await ended(waiting)

    def _path(self, name: object) -> Path:
        return Path(self.directory or "") / f"broker-{name}.json"

    def _lead(self) -> bool:
        """Lead if nobody else does; tell whether that is so."""
        if self.directory:
            try:
                self._broker.engine.open(self.directory / "journal.jsonl")
            except BlockingIOError:
                return False
            if self.size > 1:
                self._path("leader").write_text(f"{self.number}", "utf-8")
        self.leads = True
        self._broker.lead()
        return True

    async def _wait(self) -> None:
        while True:
            if self._lead():
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _others(self) -> dict[int, dict[str, str]]:
        """Return what the other live brokers say of themselves."""
        found = {}
        for number in set(range(self.size)) - {self.number}:
            if self._path(number).exists():
                with self._path(number).open(encoding="utf-8") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    except BlockingIOError:
                        found[number] = json.loads(file.read() or "{}")
        return found

    @web.middleware
    async def at_the_leader(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Carry out a command here if this broker leads, else where the leader is."""
        if self.leads or "/health" in request.path or request.path == "/v2/topology":
            return await handler(request)
        leader = self._leader()
        which = "management" if "/actuator" in request.path else "rest"
        url = self._others().get(leader, {}).get(which)
        if not url:
            return _problem(503, "There is no leader")
        kind = request.headers.get("Content-Type", "")
        try:
            async with self._session.request(
                request.method,
                re.sub("//[^:]+", f"//{self._hosts[leader]}", url) + request.path_qs,
                data=await request.read(),
                headers={"Content-Type": kind},
            ) as found:
                body, kind = await found.read(), found.content_type
                return web.Response(status=found.status, body=body, content_type=kind)
        except aiohttp.ClientConnectorError:
            return _problem(503, "There is no leader any more")
        except (aiohttp.ClientError, OSError):
            return _problem(504, "The leader is gone, or has too much to do")

    def _leader(self) -> int:
        """Return the number of the broker that led last, -1 before the first one."""
        path = self._path("leader")
        return int(path.read_text("utf-8") or -1) if path.exists() else -1

    def topology(self) -> dict[str, Any]:
        """Return who is there and who leads, as the REST API has it."""
        count, version = self._broker.partitions_count, self._broker.version
        leader = self.number if self.leads else self._leader()
        alive = {self.number, *(self._others() if self.size > 1 else ())}
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
                for node in sorted(alive)
            ],
        }


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
