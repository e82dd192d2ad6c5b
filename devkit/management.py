"""
The management port of a broker: health, exporters, clock, partitions, metrics.

A change of an exporter is answered with 202 and applied after MOMENT_SECONDS; until
then other changes get 409. Without `physicalTenant`, a change applies to every physical
tenant. Unlike in a broker, a snapshot stores the change.
"""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from devkit.arguments import version_of
from devkit.engine import DEFAULT
from devkit.exporting import REMEMBERS, Exporting

if TYPE_CHECKING:
    from devkit.broker import Broker

MOMENT_SECONDS = 0.1
CHANGING = {"disable": "DISABLING", "enable": "ENABLING"}


def app(broker: "Broker") -> web.Application:
    """Return the application on the management port of *broker*."""
    application, actuator = web.Application(), Actuator(broker)
    for method, path, handler in (
        ("GET", "/health{group:.*}", actuator.health),
        ("GET", "/exporters", actuator.exporters),
        ("POST", "/exporters/{id}/{verb:disable|enable}", actuator.change),
        ("DELETE", "/exporters/{id}", actuator.change),
        ("POST", "/exporting/{verb:pause|resume}", actuator.pause),
        ("POST", "/clock/add", actuator.clock),
        ("GET", "/partitions", actuator.partitions),
        ("POST", "/partitions/takeSnapshot", actuator.partitions),
        ("GET", "/prometheus", actuator.prometheus),
    ):
        url = f"{broker.base_path}/actuator{path}"
        application.router.add_route(method, url, handler)
    return application


class Actuator:
    """The handlers of the management port."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        version = version_of(broker.version)
        self._remembers, self._has_tenants = version >= REMEMBERS, version >= (8, 10)

    async def health(self, _: web.Request) -> web.Response:
        """Report the broker as healthy, whatever its exporters do."""
        return web.json_response({"status": "UP"})

    async def exporters(self, request: web.Request) -> web.Response:
        """List the exporters; from 8.10 on, those of every physical tenant."""
        listed: dict[tuple[str, str], dict[str, str]] = {}
        for each in self._chosen(request):
            tenant = each.partition.tenant
            for name, state in each.states.items():
                listed[tenant, name] = {"exporterId": name, "status": state}
                if self._has_tenants:
                    listed[tenant, name]["physicalTenant"] = tenant
        return web.json_response([*listed.values()])

    async def change(self, request: web.Request) -> web.Response:
        """Disable, enable or delete an exporter after MOMENT_SECONDS."""
        name = request.match_info["id"].lower()
        verb = request.match_info.get("verb", "delete")
        if verb == "delete" and not self._remembers:
            raise web.HTTPNotFound
        every = self._broker.exporting.values()
        if any(x in CHANGING.values() for each in every for x in each.states.values()):
            return _answer(409, "Another change is in progress")
        able = [each for each in self._chosen(request) if each.can(verb, name)]
        if not able:
            return _answer(404 if self._has_tenants else 400, f"Can't {verb} {name}")
        for each in able:
            each.states[name] = CHANGING.get(verb, each.states[name])

        def carry_out() -> None:
            for each in able:
                getattr(each, verb)(name)
            self._broker.take_snapshot()

        asyncio.get_running_loop().call_later(MOMENT_SECONDS, carry_out)
        return _answer(202, f"Will {verb} {name}")

    async def pause(self, request: web.Request) -> web.Response:
        """Pause or resume exporting."""
        for each in self._chosen(request):
            each.paused = request.match_info["verb"] == "pause"
            each.wake()
        self._broker.take_snapshot()
        return web.Response(status=204)

    async def clock(self, request: web.Request) -> web.Response:
        """Move the clock of the engine."""
        self._broker.clock_offset_ms += (await request.json())["offsetMilli"]
        return web.json_response({"epochMilli": self._broker.now_ms()})

    async def partitions(self, request: web.Request) -> web.Response:
        """Show the partitions of one physical tenant; a POST first takes a snapshot."""
        if request.method == "POST":
            self._broker.take_snapshot()
        snapshots, listed = self._broker.snapshot, {}
        for each in self._chosen(request, DEFAULT):
            partition = each.partition
            kept = snapshots.get(f"{partition.tenant}/{partition.number}")
            listed[partition.number] = {
                # <index>-<term>-<processed>-<exported>-<broker>; most aren't known
                "snapshotId": f"0-1-0-{kept['position']}-0" if kept else None,
                "exporterPhase": "PAUSED" if each.paused else "EXPORTING",
                "exportedPosition": each.snapshot()["position"],
            }
        return web.json_response(listed)

    async def prometheus(self, request: web.Request) -> web.Response:
        """Show the positions of one physical tenant's exporters as metrics."""
        lines = [
            f'zeebe_exporter_{metric}{{exporter="{name}",'
            f'partition="{each.partition.number}"}} {position}\n'
            for each in self._chosen(request, DEFAULT)
            for metric, positions in (
                ("last_exported_position", each.exported),
                ("last_updated_exported_position", each.positions),
            )
            for name, position in positions.items()
        ]
        return web.Response(text="".join(lines))

    def _chosen(self, request: web.Request, tenant: str = "") -> list[Exporting]:
        """Return the exporters of the physical tenant in *request*, or all of them."""
        wanted = request.query.get("physicalTenant", tenant)
        every = self._broker.exporting.values()
        found = [x for x in every if wanted in ("", x.partition.tenant)]
        if every and not found:
            raise web.HTTPNotFound
        return found


def _answer(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
