"""
The management port of a broker: health, exporters, clock, partitions, metrics.

A change of an exporter is answered with 202 and done a moment later; meanwhile another
change is answered with 409. Without `physicalTenant` it is for every physical tenant.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from devkit.arguments import DEFAULT_TENANT, version_of
from devkit.exporter import NOTHING
from devkit.exporting import REMEMBERS, Exporting

if TYPE_CHECKING:
    from devkit.broker import Broker

MOMENT_SECONDS = 0.1
STATES = {"disable": "DISABLING", "enable": "ENABLING", "delete": "CONFIG_NOT_FOUND"}


def app(broker: "Broker") -> web.Application:
    """Return what answers on the management port of *broker*."""
    application, actuator = web.Application(), Actuator(broker)
    for method, path, handler in (
        ("GET", "/health", actuator.health),
        ("GET", "/health/{group}", actuator.health),
        ("GET", "/exporters", actuator.exporters),
        ("POST", "/exporters/{id}/{verb:disable|enable}", actuator.change),
        ("DELETE", "/exporters/{id}", actuator.change),
        ("POST", "/exporting/{verb:pause|resume}", actuator.pause),
        ("GET", "/clock", actuator.clock),
        ("POST", "/clock/{verb:add|pin}", actuator.clock),
        ("DELETE", "/clock", actuator.clock),
        ("GET", "/partitions", actuator.partitions),
        ("POST", "/partitions/takeSnapshot", actuator.partitions),
        ("GET", "/prometheus", actuator.prometheus),
    ):
        url = f"{broker.base_path}/actuator{path}"
        application.router.add_route(method, url, handler)
    return application


class Actuator:
    """The handlers, and the one change that may be in progress."""

    def __init__(self, broker: "Broker") -> None:
        """Speak for *broker*."""
        self._broker = broker
        self._version = version_of(broker.version)
        self._changing: tuple[list[Exporting], str, str] | None = None

    async def health(self, _: web.Request) -> web.Response:
        """Say that the broker is well, which says nothing about its exporters."""
        return web.json_response({"status": "UP"})

    async def exporters(self, request: web.Request) -> web.Response:
        """List the exporters, from 8.10 on of every physical tenant."""
        listed: dict[tuple[str, str], str] = {}
        for tenant, _, exporting in self._chosen(request):
            states = exporting.states()
            if self._changing and exporting in self._changing[0]:
                states[self._changing[1]] = STATES[self._changing[2]]
            listed |= {(tenant, name): state for name, state in states.items()}
        of_tenant = self._version >= (8, 10)
        return web.json_response(
            [
                {"exporterId": name, "status": state}
                | ({"physicalTenant": tenant} if of_tenant else {})
                for (tenant, name), state in listed.items()
            ]
        )

    async def change(self, request: web.Request) -> web.Response:
        """Disable, enable or delete an exporter in a moment."""
        name = request.match_info["id"].lower()
        verb = request.match_info.get("verb", "delete")
        if verb == "delete" and self._version < REMEMBERS:
            raise web.HTTPNotFound
        if verb != "delete" and request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        if self._changing:
            return _problem(409, "Another change is in progress")
        chosen = [exporting for _, _, exporting in self._chosen(request)]
        able = [each for each in chosen if not each.refusal(verb, name)]
        if not able:
            status = 404 if self._version >= (8, 10) else 400
            return _problem(status, f"There is no exporter {name} here to {verb}")
        self._changing = able, name, verb
        asyncio.get_running_loop().call_later(MOMENT_SECONDS, self._carry_out)
        return web.json_response({"changeId": "1"}, status=202)

    async def pause(self, request: web.Request) -> web.Response:
        """Pause or resume exporting."""
        for _, _, exporting in self._chosen(request):
            is_pause = request.match_info["verb"] == "pause"
            (exporting.pause if is_pause else exporting.resume)()
        self._keep()
        return web.Response(status=204)

    async def clock(self, request: web.Request) -> web.Response:
        """Show, move, pin or reset the clock of the engine."""
        broker = self._broker
        body = await request.json() if request.method == "POST" else {}
        if request.method == "DELETE":
            broker.clock_offset_ms, broker.clock_pinned_ms = 0, None
        elif request.path.endswith("/pin"):
            broker.clock_pinned_ms = body["epochMilli"]
        elif request.path.endswith("/add"):
            broker.clock_offset_ms += body["offsetMilli"]
        now = broker.now_ms()
        instant = datetime.fromtimestamp(now / 1000, UTC).isoformat()
        return web.json_response({"epochMilli": now, "instant": instant})

    async def partitions(self, request: web.Request) -> web.Response:
        """Show the partitions of one physical tenant; take a snapshot after a POST."""
        if request.method == "POST":
            self._broker.take_snapshot()
        wanted = request.query.get("physicalTenant", DEFAULT_TENANT)
        snapshots = self._broker.read_snapshot()
        listed = {
            str(number): {
                "role": "LEADER",
                "processedPosition": self._last(tenant, number),
                "snapshotId": _snapshot_id(snapshots.get(f"{tenant}/{number}", {})),
                "streamProcessorPhase": "PROCESSING",
                "exporterPhase": "PAUSED" if exporting.paused else "EXPORTING",
                "exportedPosition": _lowest(exporting.snapshot()),
            }
            for tenant, number, exporting in self._chosen(request)
            if tenant == wanted
        }
        return web.json_response(listed)

    async def prometheus(self, request: web.Request) -> web.Response:
        """Show the positions of the exporters and of the log as metrics."""
        rows: dict[str, list[str]] = {}
        for tenant, number, each in self._chosen(request):
            label = f'partition="{number}"'
            if tenant != DEFAULT_TENANT:
                label += f',physicalTenant="{tenant}"'
            values: tuple[tuple[str, Mapping[str, int]], ...] = (
                ("exporter_last_exported_position", each.exported),
                ("exporter_last_updated_exported_position", each.positions),
                (
                    "log_appender_last_appended_position",
                    {"": self._last(tenant, number)},
                ),
            )
            for name, positions in values:
                for id_, position in positions.items():
                    of = f'exporter="{id_}",' if id_ else ""
                    row = f"zeebe_{name}{{{of}{label}}} {position}"
                    rows.setdefault(f"zeebe_{name}", []).append(row)
        lines = [x for name in rows for x in (f"# TYPE {name} gauge", *rows[name])]
        return web.Response(text="\n".join([*lines, ""]))

    def _chosen(self, request: web.Request) -> list[tuple[str, int, Exporting]]:
        """Return the partitions, of the physical tenant that *request* names if any."""
        wanted = request.query.get("physicalTenant") if self._version >= (8, 10) else ""
        found = [
            (tenant, number, exporting)
            for (tenant, number), exporting in sorted(self._broker.exporting.items())
            if not wanted or tenant == wanted
        ]
        if wanted and not found:
            raise web.HTTPNotFound
        return found

    def _carry_out(self) -> None:
        if self._changing:
            able, name, verb = self._changing
            self._changing = None
            for exporting in able:
                getattr(exporting, verb)(name)
            self._keep()

    def _keep(self) -> None:
        """Keep what a broker keeps at once, without a snapshot of the positions."""
        snapshot = self._broker.read_snapshot()
        for (tenant, number), each in self._broker.exporting.items():
            name = f"{tenant}/{number}"
            snapshot[name] = snapshot.get(name, {}) | each.settings()
        self._broker.write_snapshot(snapshot)

    def _last(self, tenant: str, number: int) -> int:
        records = self._broker.partition(number, tenant).log.records
        return int(records[-1]["position"]) if records else NOTHING


def _lowest(snapshot: Mapping[str, Any]) -> int:
    """Return the position up to which the log isn't needed any more."""
    kept = snapshot.get("exporters", {}).values()
    return min((each["position"] for each in kept), default=NOTHING)


def _snapshot_id(snapshot: Mapping[str, Any]) -> str | None:
    """Return <index>-<term>-<processed>-<exported>-<broker>, as far as it's known."""
    if "exporters" not in snapshot:
        return None
    position = _lowest(snapshot)
    return f"{max(position, 0)}-1-{max(position, 0)}-{position}-0"


def _problem(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
