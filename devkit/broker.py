"""One broker of the recorded engine: its partitions, exporters and ports."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from devkit import management
from devkit.api import MOST_BYTES, Api, refusals
from devkit.arguments import exporters, first_of, tenants
from devkit.cluster import PORTS, members
from devkit.engine import DEFAULT, Engine, Partition
from devkit.exporting import Exporting
from devkit.processes import LOOPBACK
from devkit.waiting import ended

# Exported records between two automatic snapshots.
SNAPSHOT_RECORDS = 1000
TICK_SECONDS = 0.05

PLACEHOLDER = re.compile(r"\$\{([^}:]+)(?::([^}]*))?\}")
PARTITIONS = "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT", "CAMUNDA_CLUSTER_PARTITIONCOUNT"


class Broker:
    """A broker in this process; `async with` runs it."""

    def __init__(
        self,
        version: str = "8.9.0",
        environ: Mapping[str, str] | None = None,
        *,
        data: Path | None = None,
        recordings: Path | None = None,
    ) -> None:
        """
        Export as *version* does, with the variables in *environ*; keep state in *data*.

        Raise `CannotStartError` if a broker wouldn't start. Default ports are free.
        """
        self.version = version
        environ = with_values(environ or {})
        self._host = environ.get("SERVER_ADDRESS", LOOPBACK)
        self._ports = [int(environ.get(name) or 0) for name in PORTS]
        self.base_path = environ.get("MANAGEMENT_SERVER_BASEPATH", "").rstrip("/")
        self._members = members(environ)
        self._count = int(first_of(environ, *PARTITIONS) or 1)
        self.clock_offset_ms = 0
        names = tenants(environ, version)
        self.exporters = {each: exporters(environ, version, each) for each in names}
        self.engine = Engine(
            version,
            partitions=self._count,
            tenants=names,
            recordings=recordings,
            now_ms=self.now_ms,
        )
        self.snapshot: dict[str, Any] = {}
        """The latest snapshot of each partition, by `<physical tenant>/<number>`."""
        self.exporting: dict[tuple[str, int], Exporting] = {}
        self._data = data
        self.rest_url = self.management_url = ""
        self.working: asyncio.Task[None]
        """The broker's main task; it ends only if it fails."""

    def now_ms(self) -> int:
        """Return the engine's time, in milliseconds since 1970."""
        return int(time.time() * 1000) + self.clock_offset_ms

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._stack = stack
            self._load()
            api = web.Application(client_max_size=MOST_BYTES, middlewares=[refusals])
            api.add_routes(Api(self.engine).routes())
            api.router.add_get("/v2/topology", self._topology)
            self.rest_url = await self._listen(api, self._ports[0])
            self.management_url = await self._listen(
                management.app(self), self._ports[1]
            )
            self.working = asyncio.create_task(self._work())
            stack.push_async_callback(ended, self.working)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop without taking a snapshot."""
        await self._stack.aclose()

    def _load(self) -> None:
        """Replay the journal, and prepare to export from the latest snapshot on."""
        if self._data:
            self._data.mkdir(parents=True, exist_ok=True)
            self.engine.open(self._data / "journal.jsonl")
            if (self._data / "snapshot.json").exists():
                text = (self._data / "snapshot.json").read_text("utf-8")
                self.snapshot = json.loads(text)
        for (tenant, number), partition in self.engine.partitions.items():
            self.exporting[tenant, number] = Exporting(
                partition,
                self.exporters[tenant],
                self.version,
                snapshot=self.snapshot.get(f"{tenant}/{number}"),
            )

    async def _work(self) -> None:
        """Export and play due timers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for each in self.exporting.values():
                group.create_task(each.run())
            group.create_task(self._tick())

    def take_snapshot(self) -> None:
        """Store the state of every exporter."""
        exporting = self.exporting.items()
        snapshot = {f"{x}/{n}": each.snapshot() for (x, n), each in exporting}
        if self._data:
            new = self._data / "snapshot.new"
            new.write_text(json.dumps(snapshot), "utf-8")
            new.rename(self._data / "snapshot.json")
        self.snapshot = snapshot

    def partition(self, number: int, tenant: str = DEFAULT) -> Partition:
        """Return one partition."""
        return self.engine.partitions[tenant, number]

    async def _tick(self) -> None:
        """Play due timers, and take a snapshot every SNAPSHOT_RECORDS records."""
        taken = 0
        while True:
            self.engine.tick()
            positions = [each.positions for each in self.exporting.values()]
            exported = sum(max(x.values(), default=0) for x in positions)
            if exported - taken >= SNAPSHOT_RECORDS:
                self.take_snapshot()
                taken = exported
            await asyncio.sleep(TICK_SECONDS)

    async def _topology(self, _: web.Request) -> web.Response:
        """Show all brokers of the cluster, even if they have ended."""
        hosts, leader = self._members
        roles = ["follower" for _ in hosts]
        roles[leader] = "leader"
        brokers = [
            {
                "nodeId": node,
                "version": self.version,
                "partitions": [
                    {"partitionId": 1 + each, "role": role, "health": "healthy"}
                    for each in range(self._count)
                ],
            }
            for node, role in enumerate(roles)
        ]
        return web.json_response({"brokers": brokers})

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, port).start()
        return f"http://{LOOPBACK}:{runner.addresses[0][1]}"


def with_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Replace each `${NAME}` in a value with that variable, as Spring does."""

    def value(found: re.Match[str]) -> str:
        return environ.get(found[1], found[0] if found[2] is None else found[2])

    return {name: PLACEHOLDER.sub(value, text) for name, text in environ.items()}
