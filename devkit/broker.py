"""One broker of the recorded engine: its partitions, its exporters and its ports."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from devkit import management
from devkit.api import MOST_BYTES, Api, refusals
from devkit.arguments import WrongConfigurationError, exporters, tenants
from devkit.cluster import Cluster, number_of
from devkit.engine import Engine, Partition
from devkit.exporting import Exporting
from devkit.journal import WrongDataError
from devkit.processes import LOOPBACK
from devkit.stories import MOST_PARTITIONS
from devkit.waiting import ended

log = logging.getLogger(__name__)

# So many records are exported between two snapshots that nobody asked for.
SNAPSHOT_RECORDS = 1000
TICK_SECONDS = 0.05

BASE_PATH = re.compile("(/[^/{}]+)*/?")
PLACEHOLDER = re.compile(r"\$\{([^}:]+)(?::([^}]*))?\}")


class Broker:
    """A broker in this process; it runs within `async with`."""

    def __init__(  # noqa: PLR0913 -- where a broker is, and what it keeps
        self,
        version: str = "8.9.0",
        environ: Mapping[str, str] | None = None,
        *,
        data: Path | None = None,
        host: str = LOOPBACK,
        rest_port: int = 0,
        management_port: int = 0,
        recordings: Path | None = None,
    ) -> None:
        """Export as *version* does, configured by *environ*; keep state in *data*."""
        self.version = version
        environ = with_values(environ or {})
        self._data = data
        if data:
            data.mkdir(parents=True, exist_ok=True)
        self._host = host
        self._rest_port, self._management_port = rest_port, management_port
        base_path = environ.get("MANAGEMENT_SERVER_BASEPATH", "")
        if not BASE_PATH.fullmatch(base_path):
            raise WrongConfigurationError(f"{base_path!r} is no path of a server")
        self.base_path = base_path.rstrip("/")
        self.partitions_count = number_of(
            environ, "PARTITIONSCOUNT", range(1, MOST_PARTITIONS)
        )
        self.clock_offset_ms = 0
        names = tenants(environ, version)
        # Raises what keeps a broker from starting.
        self.exporters = {each: exporters(environ, version, each) for each in names}
        self.engine = Engine(
            version,
            partitions=self.partitions_count,
            tenants=names,
            recordings=recordings,
            journal=data / "journal.jsonl" if data else None,
            now_ms=self.now_ms,
        )
        self.exporting: dict[tuple[str, int], Exporting] = {}
        self.cluster = Cluster(self, environ)
        self.rest_url = self.management_url = ""
        self.broken = asyncio.Event()
        """Set when something failed that the broker can't go on without."""
        self._running: list[asyncio.Task[None]] = []
        self._snapshot: dict[str, Any] = {}

    @property
    def recorded(self) -> str:
        """The version whose recording is played."""
        return self.engine.recording.version

    def now_ms(self) -> int:
        """Return the engine's time, in milliseconds since 1970."""
        return int(time.time() * 1000) + self.clock_offset_ms

    async def __aenter__(self) -> Self:
        """Take commands and export."""
        async with AsyncExitStack() as stack:
            self._stack = stack
            stack.callback(self.engine.close)
            api = web.Application(
                client_max_size=MOST_BYTES,
                middlewares=[self.cluster.at_the_leader, refusals],
            )
            api.add_routes(Api(self.engine).routes())
            api.router.add_get("/v2/topology", self._topology)
            self.rest_url = await self._listen(api, self._rest_port)
            manage = management.app(self)
            manage.middlewares.append(self.cluster.at_the_leader)
            self.management_url = await self._listen(manage, self._management_port)
            stack.push_async_callback(self.follow)
            await stack.enter_async_context(self.cluster)
            stack.push_async_callback(ended, self.begin(self._tick()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; nothing is kept that a snapshot doesn't hold."""
        await self._stack.aclose()

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do *work* in a task; when that fails, the broker is `broken`."""

        def check(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                log.error("The broker can't go on", exc_info=error)
                self.broken.set()

        task = asyncio.create_task(work)
        task.add_done_callback(check)
        return task

    async def lead(self) -> None:
        """Begin to export what the latest snapshot doesn't cover."""
        snapshot = self.read_snapshot()
        for (tenant, number), partition in self.engine.partitions.items():
            self.exporting[tenant, number] = Exporting(
                partition,
                self.exporters[tenant],
                self.version,
                snapshot=snapshot.get(f"{tenant}/{number}"),
            )
        self._running = [self.begin(each.run()) for each in self.exporting.values()]

    async def follow(self) -> None:
        """Export no more."""
        tasks, self._running = self._running, []
        await ended(*tasks)

    def take_snapshot(self) -> None:
        """Remember how far every exporter is."""
        snapshot = {
            f"{tenant}/{number}": each.snapshot()
            for (tenant, number), each in self.exporting.items()
        }
        self.write_snapshot(snapshot)

    def read_snapshot(self) -> dict[str, Any]:
        """Return the latest snapshot, {} when there is none."""
        if self._data and (path := self._data / "snapshot.json").exists():
            try:
                found = json.loads(path.read_text("utf-8"))
                return {name: dict(each) for name, each in found.items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise WrongDataError(f"{path} is damaged") from error
        return self._snapshot

    def write_snapshot(self, snapshot: dict[str, Any]) -> None:
        """Keep *snapshot* as the latest one."""
        if self._data:
            new = self._data / "snapshot.new"
            new.write_text(json.dumps(snapshot), "utf-8")
            new.rename(self._data / "snapshot.json")
        self._snapshot = snapshot
        self.cluster.share(snapshot)

    def partition(self, number: int, tenant: str = "default") -> Partition:
        """Return one partition."""
        return self.engine.partitions[tenant, number]

    async def _tick(self) -> None:
        """Play what is due, and take a snapshot now and then."""
        taken = 0
        while True:
            if self.cluster.leads:
                self.engine.tick()
                await self.cluster.commit()
                exported = sum(
                    max(each.positions.values(), default=0)
                    for each in self.exporting.values()
                )
                if exported - taken >= SNAPSHOT_RECORDS:
                    self.take_snapshot()
                    taken = exported
            await asyncio.sleep(TICK_SECONDS)

    async def _topology(self, _: web.Request) -> web.Response:
        return web.json_response(self.cluster.topology())

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, port).start()
        return f"http://{LOOPBACK}:{runner.addresses[0][1]}"


def with_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Replace each `${NAME}` in variables by a variable, as Spring does in a broker."""

    def value(found: re.Match[str]) -> str:
        return environ.get(found[1], found[0] if found[2] is None else found[2])

    return {name: PLACEHOLDER.sub(value, text) for name, text in environ.items()}
