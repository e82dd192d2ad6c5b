"""
Several brokers with one leader, which the others replace when it is gone.

Simpler than the real thing on purpose: the leader sends each line of its journal to the
others, and answers a command once a majority has it. What leads is the live broker with
the newest journal, the lowest number among equals; each time begins a term, and who
hears of a later one doesn't lead any more.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from devkit.arguments import WrongConfigurationError
from devkit.journal import age_of, last_of
from devkit.waiting import ended

if TYPE_CHECKING:
    from devkit.broker import Broker

LOOK_SECONDS = 0.2
ANSWER_SECONDS, COMMAND_SECONDS = 1.0, 30.0
# A leader that wasn't seen for so many looks is gone.
LOOKS = 5
INTERNAL_PORT = 26502
CONTACT = re.compile(r"[^:/]+(:[0-9]{1,5})?")


def variable(environ: Mapping[str, str], name: str, default: str) -> str:
    """Read a variable of the cluster, in the form of any version."""
    new = f"CAMUNDA_CLUSTER_{name.replace('PARTITIONSCOUNT', 'PARTITIONCOUNT')}"
    return environ.get(f"ZEEBE_BROKER_CLUSTER_{name}") or environ.get(new) or default


def number_of(environ: Mapping[str, str], name: str, allowed: range) -> int:
    """Read a number of the cluster; by default the first one that is *allowed*."""
    text = variable(environ, name, str(allowed[0]))
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) not in allowed:
        raise WrongConfigurationError(
            f"{name} of the cluster is {text!r}, not from {allowed[0]} to {allowed[-1]}"
        )
    return int(text)


class Cluster:
    """What one broker knows of the others; alone, it leads."""

    def __init__(self, broker: "Broker", environ: Mapping[str, str]) -> None:
        """Read from *environ* who the others are."""
        self._broker, self._engine = broker, broker.engine
        contacts = variable(environ, "INITIALCONTACTPOINTS", "")
        every = [each for each in contacts.replace(" ", "").split(",") if each]
        if not all(CONTACT.fullmatch(each) for each in every):
            raise WrongConfigurationError(f"{contacts!r} aren't hosts with their ports")
        every = [x if ":" in x else f"{x}:{INTERNAL_PORT}" for x in every]
        self.size = max(len(every), 1)
        self.number = number_of(environ, "NODEID", range(self.size))
        self._others = {n: e for n, e in enumerate(every) if n != self.number}
        self._host = "0.0.0.0" if every else ""  # noqa: S104 -- the others reach it
        own = every[self.number] if every else ""
        self._port = int(own.rpartition(":")[2]) if own else 0
        self.leads = False
        self._states: dict[int, dict[str, Any]] = {}
        self._sent: dict[int, int] = {}
        self._shared: dict[int, dict[str, Any]] = {}
        """The snapshots that the others have."""
        self._locked = asyncio.Lock()
        self._snapshot: dict[str, Any] | None = None

    async def __aenter__(self) -> Self:
        """Lead at once when alone; else look for the others."""
        async with AsyncExitStack() as stack:
            if self.size == 1:
                self._engine.commit()
                self.leads = True
                await self._broker.lead()
            else:
                timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
                self._session = aiohttp.ClientSession(timeout=timeout)
                await stack.enter_async_context(self._session)
                app = web.Application(client_max_size=1 << 28)
                app.router.add_get("/state", self._state)
                app.router.add_post("/entries", self._receive)
                runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
                stack.push_async_callback(runner.cleanup)
                await runner.setup()
                await web.TCPSite(runner, self._host, self._port).start()
                stack.push_async_callback(ended, self._broker.begin(self._watch()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the cluster."""
        self.leads = False
        await self._stack.aclose()

    def share(self, snapshot: dict[str, Any]) -> None:
        """Send *snapshot* to the others with the next entries."""
        self._snapshot = snapshot if self.leads else None

    async def commit(self) -> bool:
        """Tell whether a majority has every entry; exporters see none before."""
        async with self._locked:
            if not self.leads:
                return False
            count = len(self._engine.journal)
            have = 1 + sum(await asyncio.gather(*map(self._send, self._others)))
            # What was played meanwhile waits for its own turn.
            if have * 2 > self.size and count == len(self._engine.journal):
                self._engine.commit()
        return have * 2 > self.size

    async def _committed(self) -> bool:
        """Tell whether a majority has every entry, and has it soon."""
        term = self._engine.term
        for _ in range(LOOKS):
            if await self.commit():
                return self._engine.term == term
            await asyncio.sleep(LOOK_SECONDS)
        return False

    @web.middleware
    async def at_the_leader(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Carry out a command here if this broker leads, else where the leader is."""
        path = request.path
        local = "/health" in path or path.endswith(("/topology", "/prometheus"))
        reads = request.method == "GET"
        if self.leads or local:
            if not reads and (1 + len(self._states)) * 2 <= self.size:
                return _problem(503, "There is no majority")
            answer = await handler(request)
            if reads or await self._committed():
                return answer
            return _problem(504, "Not done yet, as there is no majority any more")
        return await self._forward(request)

    async def _forward(self, request: web.Request) -> web.Response:
        leader = self._leader()
        if leader is None:
            return _problem(503, "There is no leader")
        which = "management" if "/actuator" in request.path else "rest"
        host = self._others[leader].rpartition(":")[0]
        url = f"http://{host}:{self._states[leader][which]}{request.path_qs}"
        try:
            async with self._session.request(
                request.method,
                url,
                data=await request.read(),
                headers={"Content-Type": request.headers.get("Content-Type", "")},
                timeout=aiohttp.ClientTimeout(total=COMMAND_SECONDS),
            ) as found:
                return web.Response(
                    status=found.status,
                    body=await found.read(),
                    content_type=found.content_type,
                )
        except aiohttp.ClientConnectorError:
            return _problem(503, "There is no leader any more")
        except (aiohttp.ClientError, OSError):
            return _problem(504, "The leader is gone, or has too much to do")

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
            mine = self._engine.term, -self.number
            terms = [(x["term"], -n) for n, x in self._states.items() if x["leads"]]
            if self.leads and any(each > mine for each in terms):
                self.leads = False
                await self._broker.follow()
            if without >= LOOKS and self._turn():
                known = [each["term"] for each in self._states.values()]
                self._engine.term = max(self._engine.term, *known) + 1
                self.leads = True
                self._sent, self._shared = {}, {}
                await self._broker.lead()
                await self.commit()
            await asyncio.sleep(LOOK_SECONDS)

    def _turn(self) -> bool:
        """Tell whether this broker has the newest journal of a majority."""
        mine = (*age_of(self._engine.journal), -self.number)
        others = [(*state["age"], -number) for number, state in self._states.items()]
        return (1 + len(others)) * 2 > self.size and all(mine > x for x in others)

    async def _look(self, number: int) -> None:
        try:
            url = f"http://{self._others[number]}/state"
            async with self._session.get(url) as answer:
                state = self._states[number] = await answer.json()
        except (aiohttp.ClientError, OSError, ValueError):
            self._states.pop(number, None)
        else:
            if state["age"][1] < self._sent.get(number, 0):
                self._sent.pop(number)  # it began anew

    async def _send(self, number: int) -> bool:
        """Send to one of the others what it doesn't have; tell whether it has all."""
        journal, state = self._engine.journal, self._states.get(number)
        if state is None:
            return False
        begin = self._sent.get(number, min(state["age"][1], len(journal)))
        knows = self._shared.get(number) is self._snapshot
        if begin == len(journal) and number in self._sent and knows:
            return True
        snapshot = self._snapshot
        body = {
            "term": self._engine.term,
            "from": begin,
            "last": last_of(journal[:begin]),
            "entries": journal[begin:],
            "snapshot": snapshot,
        }
        try:
            url = f"http://{self._others[number]}/entries"
            async with self._session.post(url, json=body) as answer:
                has = self._sent[number] = (await answer.json())["entries"]
        except (aiohttp.ClientError, OSError, ValueError, LookupError):
            self._sent.pop(number, None)
            self._states.pop(number, None)
            return False
        if snapshot:
            self._shared[number] = snapshot
        return bool(has == begin + len(body["entries"]))

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "leads": self.leads,
                "term": self._engine.term,
                "age": age_of(self._engine.journal),
                "rest": int(self._broker.rest_url.rpartition(":")[2]),
                "management": int(self._broker.management_url.rpartition(":")[2]),
            }
        )

    async def _receive(self, request: web.Request) -> web.Response:
        """Take entries from the leader, and say how many there are now."""
        body, engine = await request.json(), self._engine
        if self.leads or body["term"] < engine.term:
            return _problem(409, "There is a newer leader")
        engine.term, begin, entries = body["term"], body["from"], body["entries"]
        there, last = engine.journal[begin:], last_of(engine.journal[:begin])
        if last != body["last"] or there != entries[: len(there)]:
            # It led before, and has what the others never got.
            engine.forget()
        if begin <= len(engine.journal):
            for entry in entries[len(engine.journal) - begin :]:
                engine.keep(entry)
        engine.commit()
        if body["snapshot"]:
            self._broker.write_snapshot(body["snapshot"])
        return web.json_response({"entries": len(engine.journal)})


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
