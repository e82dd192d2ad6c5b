"""
Several brokers with one leader, which the others replace when it is gone.

Simpler than the real thing on purpose: the leader sends each line of its journal to the
others, and answers a command once a majority has it. What leads is the live broker with
the longest journal, the lowest number among equals.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from devkit.broker import Broker

LOOK_SECONDS = 0.2
ANSWER_SECONDS = 1.0
# A leader that wasn't seen for so many looks is gone.
LOOKS = 5
INTERNAL_PORT = 26502


def variable(environ: Mapping[str, str], name: str, default: str) -> str:
    """Read a variable of the cluster, in the form of any version."""
    new = f"CAMUNDA_CLUSTER_{name.replace('PARTITIONSCOUNT', 'PARTITIONCOUNT')}"
    return environ.get(f"ZEEBE_BROKER_CLUSTER_{name}") or environ.get(new) or default


class Cluster:
    """What one broker knows of the others; alone, it leads."""

    def __init__(self, broker: "Broker", environ: Mapping[str, str]) -> None:
        """Read from *environ* who the others are."""
        self._broker = broker
        self.number = int(variable(environ, "NODEID", "0"))
        contacts = variable(environ, "INITIALCONTACTPOINTS", "")
        every = [each for each in contacts.replace(" ", "").split(",") if each]
        self.size = max(len(every), 1)
        self._others = {n: e for n, e in enumerate(every) if n != self.number}
        self._host = "0.0.0.0" if every else ""  # noqa: S104 -- the others reach it
        own = every[self.number] if every else ""
        self._port = int(own.rpartition(":")[2] or INTERNAL_PORT) if own else 0
        self.leads = False
        self._states: dict[int, dict[str, Any]] = {}
        self._sent: dict[int, int] = {}
        self._locked = asyncio.Lock()
        self._snapshot: dict[str, Any] | None = None

    async def __aenter__(self) -> Self:
        """Lead at once when alone; else look for the others."""
        self._watching: asyncio.Task[None] | None = None
        if self.size == 1:
            self._broker.engine.commit()
            self.leads = True
            await self._broker.lead()
            return self
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout)
        app = web.Application(client_max_size=1 << 28)
        app.router.add_get("/state", self._state)
        app.router.add_post("/entries", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the cluster."""
        self.leads = False
        if self._watching:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
            await self._session.close()
            await self._runner.cleanup()

    def share(self, snapshot: dict[str, Any]) -> None:
        """Send *snapshot* to the others with the next entries."""
        self._snapshot = snapshot if self.leads else None

    async def commit(self) -> bool:
        """Tell whether a majority has every entry; exporters see none before."""
        async with self._locked:
            have = 1 + sum(await asyncio.gather(*map(self._send, self._others)))
        if have * 2 > self.size:
            self._broker.engine.commit()
        return have * 2 > self.size

    @web.middleware
    async def at_the_leader(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Carry out a command here if this broker leads, else where the leader is."""
        path = request.path
        local = "/health" in path or path.endswith(("/topology", "/prometheus"))
        if self.leads or local:
            answer = await handler(request)
            if request.method == "GET" or await self.commit():
                return answer
            return web.json_response({"detail": "there is no majority"}, status=503)
        leader = self._leader()
        if leader is None:
            return web.json_response({"detail": "there is no leader"}, status=503)
        which = "management" if "/actuator" in path else "rest"
        host = self._others[leader].rpartition(":")[0]
        url = f"http://{host}:{self._states[leader][which]}{request.path_qs}"
        async with self._session.request(
            request.method,
            url,
            data=await request.read(),
            headers={"Content-Type": request.headers.get("Content-Type", "")},
        ) as found:
            return web.Response(
                status=found.status,
                body=await found.read(),
                content_type=found.content_type,
            )

    def topology(self) -> dict[str, Any]:
        """Return who is there and who leads, as the REST API has it."""
        alive = {self.number: {"leads": self.leads}, **self._states}
        count = self._broker.partitions_count
        return {
            "clusterSize": self.size,
            "partitionsCount": count,
            "replicationFactor": self.size,
            "gatewayVersion": self._broker.version,
            "brokers": [
                {
                    "nodeId": number,
                    "version": self._broker.version,
                    "partitions": [
                        {
                            "partitionId": partition,
                            "role": "leader" if state["leads"] else "follower",
                            "health": "healthy",
                        }
                        for partition in range(1, count + 1)
                    ],
                }
                for number, state in sorted(alive.items())
            ],
        }

    def _leader(self) -> int | None:
        leaders = [number for number, state in self._states.items() if state["leads"]]
        return leaders[0] if leaders else None

    async def _watch(self) -> None:
        """Look at the others for ever, and lead when it's our turn."""
        without = 0
        while True:
            await asyncio.gather(*map(self._look, self._others))
            leader = self._leader()
            without = 0 if leader is not None or self.leads else without + 1
            if self.leads and leader is not None and leader < self.number:
                self.leads = False
                await self._broker.follow()
            if without >= LOOKS and self._turn():
                self.leads = True
                self._sent = {}
                await self._broker.lead()
                await self.commit()
            await asyncio.sleep(LOOK_SECONDS)

    def _turn(self) -> bool:
        """Tell whether this broker has the longest journal of a majority."""
        mine = (len(self._broker.engine.journal), -self.number)
        others = [(s["entries"], -number) for number, s in self._states.items()]
        return (1 + len(others)) * 2 > self.size and all(mine > x for x in others)

    async def _look(self, number: int) -> None:
        try:
            url = f"http://{self._others[number]}/state"
            async with self._session.get(url) as answer:
                self._states[number] = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._states.pop(number, None)

    async def _send(self, number: int) -> bool:
        """Send to one of the others what it doesn't have; tell whether it has all."""
        journal = self._broker.engine.journal
        state = self._states.get(number, {})
        begin = self._sent.get(number, min(state.get("entries", 0), len(journal)))
        body = {
            "from": begin,
            "last": _last(journal[:begin]),
            "entries": journal[begin:],
            "snapshot": self._snapshot,
        }
        if begin == len(journal) and not self._snapshot:
            return number in self._states
        try:
            url = f"http://{self._others[number]}/entries"
            async with self._session.post(url, json=body) as answer:
                self._sent[number] = (await answer.json())["entries"]
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._sent.pop(number, None)
            return False
        return self._sent[number] == len(journal)

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "leads": self.leads,
                "entries": len(self._broker.engine.journal),
                "rest": int(self._broker.rest_url.rpartition(":")[2]),
                "management": int(self._broker.management_url.rpartition(":")[2]),
            }
        )

    async def _receive(self, request: web.Request) -> web.Response:
        """Take entries from the leader, and say how many there are now."""
        body, engine = await request.json(), self._broker.engine
        begin, entries = body["from"], body["entries"]
        if not self.leads:
            if begin < len(engine.journal) or body["last"] != _last(engine.journal):
                # It led before, and has what the others never got.
                engine.forget()
            if begin == len(engine.journal):
                for entry in entries:
                    engine.keep(entry)
            engine.commit()
            if body["snapshot"]:
                self._broker.write_snapshot(body["snapshot"])
        return web.json_response({"entries": len(engine.journal)})


def _last(journal: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return journal[-1] if journal else None
