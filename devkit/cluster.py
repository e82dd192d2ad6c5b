"""
Several brokers with one leader, which the others replace when it is gone.

Simpler than the real thing on purpose: each broker asks each of the others how it is,
for ever, and a leader answers with what is new in its journal. Who asks says how much
of it is there already, so that a command is answered once a majority has it. What leads
is the live broker with the newest journal, the lowest number among equals; each time
begins a term, and who hears of a later one doesn't lead any more.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from devkit.arguments import number_of
from devkit.journal import Entry
from devkit.stories import CannotStartError
from devkit.waiting import ended

if TYPE_CHECKING:
    from devkit.broker import Broker

LOOK_SECONDS = 0.2
# A leader that wasn't seen for so many looks is gone.
LOOKS = 5
ANSWER_SECONDS, COMMAND_SECONDS = 1.0, 30.0
INTERNAL_PORT = 26502
CONTACT = re.compile(r"[^:/]+(:[0-9]{1,5})?")


class Cluster:
    """What one broker knows of the others; alone, it leads."""

    def __init__(self, broker: "Broker", environ: Mapping[str, str]) -> None:
        """Read from *environ* who the others are."""
        self._broker, self._engine = broker, broker.engine
        name = "INITIALCONTACTPOINTS"
        contacts = environ.get(f"ZEEBE_BROKER_CLUSTER_{name}")
        contacts = contacts or environ.get(f"CAMUNDA_CLUSTER_{name}", "")
        every = [each for each in contacts.replace(" ", "").split(",") if each]
        if not all(CONTACT.fullmatch(each) for each in every):
            raise CannotStartError(f"{contacts!r} aren't hosts with their ports")
        every = [x if ":" in x else f"{x}:{INTERNAL_PORT}" for x in every]
        self.size = max(len(every), 1)
        names = "ZEEBE_BROKER_CLUSTER_NODEID", "CAMUNDA_CLUSTER_NODEID"
        self.number = number_of(environ, names, range(self.size))
        self._others = {n: each for n, each in enumerate(every) if n != self.number}
        self._port = int(every[self.number].rpartition(":")[2]) if every else 0
        self.leads = False
        self._states: dict[int, dict[str, Any]] = {}
        """What the others that are there say of themselves."""
        self._have: dict[int, int] = {}
        """How many entries of this leader's journal the others have."""
        self._counts = 0, 0
        """The entries of the journal, and how many of them a majority has."""
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Lead at once when alone; else look for the others."""
        async with AsyncExitStack() as stack:
            if self.size == 1:
                await self._lead()
            else:
                timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
                session = aiohttp.ClientSession(timeout=timeout)
                self._session = await stack.enter_async_context(session)
                app = web.Application()
                app.router.add_post("/state", self._state)
                runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
                stack.push_async_callback(runner.cleanup)
                await runner.setup()
                anywhere = "0.0.0.0"  # noqa: S104 -- the others reach it
                await web.TCPSite(runner, anywhere, self._port).start()
                work = [self._watch(), *map(self._ask, self._others)]
                stack.push_async_callback(ended, *map(self._broker.begin, work))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the cluster."""
        self.leads = False
        await self._stack.aclose()

    def commit(self) -> None:
        """Show the exporters what is in the journal, once a majority has all of it."""
        if not self.leads:
            return
        before, count = self._counts, len(self._engine.journal)
        have = sorted([count, *self._have.values()], reverse=True)
        self._counts = count, [*have, *[0] * self.size][self.size // 2]
        if self._counts == (count, count):
            self._engine.commit()
        if self._counts != before:
            self._news.set()
            self._news.clear()

    async def _is_committed(self) -> bool:
        """Tell whether a majority has every entry of now, and has it soon."""
        count, term = len(self._engine.journal), self._engine.term
        self.commit()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKS * LOOK_SECONDS):
                while self.leads and self._counts[1] < count:
                    await self._news.wait()
        return self.leads and self._engine.term == term and self._counts[1] >= count

    @web.middleware
    async def at_the_leader(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Carry out a command here if this broker leads, else where the leader is."""
        path, reads = request.path, request.method == "GET"
        local = "/health" in path or path.endswith("/topology")
        if not (self.leads or local):
            return await self._forward(request)
        if not (reads or self._has_majority()):
            return _problem(503, "There is no majority")
        answer = await handler(request)
        if reads or await self._is_committed():
            return answer
        return _problem(504, "Not done yet, as there is no majority any more")

    async def _forward(self, request: web.Request) -> web.Response:
        leader = next((n for n, x in self._states.items() if x["leads"]), None)
        if leader is None:
            return _problem(503, "There is no leader")
        which = "management" if "/actuator" in request.path else "rest"
        host = self._others[leader].rpartition(":")[0]
        url = f"http://{host}:{self._states[leader][which]}{request.path_qs}"
        kind = request.headers.get("Content-Type", "")
        try:
            async with self._session.request(
                request.method,
                url,
                data=await request.read(),
                headers={"Content-Type": kind},
                timeout=aiohttp.ClientTimeout(total=COMMAND_SECONDS),
            ) as found:
                body, kind = await found.read(), found.content_type
                return web.Response(status=found.status, body=body, content_type=kind)
        except (aiohttp.ClientError, OSError):
            return _problem(504, "The leader is gone, or has too much to do")

    def topology(self) -> dict[str, Any]:
        """Return who is there and who leads, as the REST API has it."""
        count, version = self._broker.partitions_count, self._broker.version
        alive = {self.number: {"leads": self.leads}, **self._states}
        roles = {n: "leader" if alive[n]["leads"] else "follower" for n in alive}
        numbers = range(1, count + 1)
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
                        {"partitionId": x, "role": role, "health": "healthy"}
                        for x in numbers
                    ],
                }
                for node, role in sorted(roles.items())
            ],
        }

    def _has_majority(self) -> bool:
        return (1 + len(self._states)) * 2 > self.size

    async def _lead(self) -> None:
        terms = [self._engine.term, *(each["term"] for each in self._states.values())]
        self._engine.term = max(terms) + 1
        self.leads, self._have = True, {}
        await self._broker.lead()
        self.commit()

    async def _watch(self) -> None:
        """Lead when it's our turn, and no more when another one does."""
        without = 0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            mine = self._engine.term, -self.number
            terms = [(x["term"], -n) for n, x in self._states.items() if x["leads"]]
            without = 0 if terms or self.leads else without + 1
            if self.leads and any(each > mine for each in terms):
                self.leads = False
                await self._broker.follow()
            ages = [(*x["age"], -n) for n, x in self._states.items()]
            newest = all((*_age(self._engine.journal), -self.number) > x for x in ages)
            if without >= LOOKS and newest and self._has_majority():
                await self._lead()

    async def _ask(self, number: int) -> None:
        """Ask one of the others for ever how it is, and take what a leader has."""
        engine = self._engine
        while True:
            about: dict[str, Any] = {"number": self.number, "term": engine.term}
            about |= {"has": len(engine.journal), "last": engine.journal[-1:]}
            try:
                url = f"http://{self._others[number]}/state"
                async with self._session.post(url, json=about) as answer:
                    state = self._states[number] = await answer.json()
            except (aiohttp.ClientError, OSError, ValueError):
                self._states.pop(number, None)
                await asyncio.sleep(LOOK_SECONDS)
            else:
                if state["leads"] and not self.leads and state["term"] >= engine.term:
                    self._follow(state)

    def _follow(self, leader: Mapping[str, Any]) -> None:
        engine, begin = self._engine, leader["begin"]
        engine.term = leader["term"]
        if begin == 0:
            # It led before, and has what the others never got.
            engine.forget()
        if begin == len(engine.journal):
            for entry in leader["entries"]:
                engine.keep(entry)
        if leader["snapshot"] != self._broker.snapshot:
            self._broker.keep_snapshot(leader["snapshot"])

    async def _state(self, request: web.Request) -> web.Response:
        """Say how this broker is, and what a follower hasn't got yet."""
        engine, asked = self._engine, await request.json()
        begin = asked["has"]
        known = engine.journal[max(begin - 1, 0) : begin]
        fits = asked["last"] == known
        if self.leads and fits and asked["term"] <= engine.term:
            self._have[asked["number"]] = begin
            self.commit()
        if not self.leads or len(engine.journal) == begin:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
        state = {
            "leads": self.leads,
            "term": engine.term,
            "age": _age(engine.journal),
            "rest": int(self._broker.rest_url.rpartition(":")[2]),
            "management": int(self._broker.management_url.rpartition(":")[2]),
        }
        if self.leads:
            begin = begin if fits else 0
            more = {"begin": begin, "entries": engine.journal[begin:]}
            state |= more | {"snapshot": self._broker.snapshot}
        return web.json_response(state)


def _age(journal: Sequence[Entry]) -> tuple[int, int]:
    """Return what is larger for a newer journal."""
    return (journal[-1]["term"] if journal else 0), len(journal)


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
