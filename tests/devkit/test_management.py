"""The management port answers like a broker's actuator."""

from contextlib import asynccontextmanager

import aiohttp
import pytest

from devkit import management
from devkit.broker import Broker
from devkit.commands import Commands
from devkit.metrics import read
from devkit.recorder import Recorder
from devkit.waiting import eventually
from tests.devkit.exporters import variables

OLD, NEW, NEWEST = "8.6.0", "8.8.21", "8.10.0"
DISABLE, ENABLE = "exporters/x/disable", "exporters/X/enable"
NO_SERVER = "http://127.0.0.1:1"


class Management:
    """The management port of a broker."""

    def __init__(self, broker, session):
        self.broker, self._session = broker, session
        self.exporting = broker.exporting["default", 1]

    async def send(self, method, path, **more):
        """Return the status of the answer to a command."""
        async with self._session.request(method, f"/actuator/{path}", **more) as answer:
            return answer.status

    async def show(self, path):
        """Return the JSON at *path*."""
        async with self._session.get(f"/actuator/{path}") as answer:
            return await answer.json()

    async def states(self):
        """Return the states of the exporters by physical tenant and id."""
        return {
            (each.get("physicalTenant"), each["exporterId"]): each["status"]
            for each in await self.show("exporters")
        }

    async def reach(self, state, tenant="default"):
        """Wait until a physical tenant's exporter has a state, or is gone."""
        states = self.broker.exporting[tenant, 1].states
        await eventually(lambda: states.get("x") == state)

    def deploy(self):
        """Add records to the log; return the position of the last one."""
        files = next(iter(self.broker.engine.recording.deployments.values()))
        Commands(self.broker.engine).deploy(files)
        return self.broker.partition(1).log.records[-1]["position"]


@asynccontextmanager
async def managed(version, environ=None, data=None):
    """Run a broker, with one exporter unless *environ* has others."""
    environ = variables(version, URL=NO_SERVER) if environ is None else environ
    async with (
        Broker(version, environ, data=data) as broker,
        aiohttp.ClientSession(broker.management_url) as session,
    ):
        yield Management(broker, session)


@pytest.mark.parametrize("version, tenant", [(OLD, None), (NEWEST, "default")])
async def test_change_takes_a_moment(monkeypatch, version, tenant):
    """A change gets 202 and is applied later; a second change until then gets 409."""
    monkeypatch.setattr(management, "MOMENT_SECONDS", 1000)
    async with managed(version) as port:
        assert await port.send("POST", DISABLE) == 202
        assert await port.send("POST", ENABLE) == 409
        assert await port.states() == {(tenant, "x"): "DISABLING"}


@pytest.mark.parametrize("version, status", [(NEW, 400), (NEWEST, 404)])
async def test_what_cannot_be(version, status):
    """An impossible change gets 400, or 404 from 8.10 on."""
    async with managed(version) as port:
        assert await port.send("POST", "exporters/y/enable") == status
        assert await port.send("DELETE", "exporters/x") == status
        assert port.exporting.states == {"x": "ENABLED"}


@pytest.mark.parametrize(
    "version, before, status, after",
    [(OLD, "DISABLED", 404, "DISABLED"), (NEW, "CONFIG_NOT_FOUND", 202, None)],
)
async def test_delete(tmp_path, version, before, status, after):
    """An exporter without variables can be deleted where the version remembers it."""
    async with managed(version, data=tmp_path) as port:
        for change, state in ((DISABLE, "DISABLED"), (ENABLE, "ENABLED")):
            await port.send("POST", change)
            await port.reach(state)
    async with managed(version, {}, data=tmp_path) as port:
        assert (await port.states())[None, "x"] == before
        assert await port.send("DELETE", "exporters/x") == status
        await port.reach(after)


@pytest.mark.parametrize("version, phase", [("8.9.0", "EXPORTING"), (NEWEST, "PAUSED")])
async def test_pause(tmp_path, version, phase):
    """A pause stops exporting until resume; from 8.10 on, it survives a restart."""
    async with Recorder() as recorder:
        environ = variables(version, URL=recorder.url, BULK_DELAY=1000)
        async with managed(version, environ, data=tmp_path) as port:
            assert await port.send("POST", "exporting/pause") == 204
            last = port.deploy()
            assert (await port.show("partitions"))["1"]["exporterPhase"] == "PAUSED"
            assert port.exporting.exported == {"x": -1}
        async with managed(version, environ, data=tmp_path) as port:
            assert (await port.show("partitions"))["1"]["exporterPhase"] == phase
            await port.send("POST", "exporting/resume")
            await eventually(lambda: port.exporting.exported == {"x": last})


async def test_snapshot():
    """A snapshot and its id hold the exported position."""
    async with Recorder() as recorder:
        environ = variables(NEW, URL=recorder.url, BULK_SIZE=1, BULK_DELAY=1)
        async with managed(NEW, environ) as port:
            last = port.deploy()
            await eventually(lambda: port.exporting.positions == {"x": last})
            before = await port.show("partitions")
            await port.send("POST", "partitions/takeSnapshot")
            after = await port.show("partitions")
            url = f"{port.broker.management_url}/actuator/prometheus"
            async with aiohttp.request("GET", url) as answer:
                metrics = read(await answer.text())

    state = {"exporterPhase": "EXPORTING", "exportedPosition": last}
    assert before == {"1": {"snapshotId": None} | state}
    assert after == {"1": {"snapshotId": f"0-1-0-{last}-0"} | state}
    assert metrics == {
        "zeebe_exporter_last_exported_position x 1": last,
        "zeebe_exporter_last_updated_exported_position x 1": last,
    }


async def test_healthy_without_exports(caplog):
    """A URL with a path exports nothing, and only the log shows it."""
    async with managed(NEW, variables(NEW, URL=f"{NO_SERVER}/")) as port:
        port.deploy()
        assert await port.show("health/readiness") == {"status": "UP"}
        assert (await port.show("partitions"))["1"]["exporterPhase"] == "EXPORTING"
        assert port.exporting.exported == {"x": -1}
    assert caplog.messages == [f"Invalid HTTP host: {NO_SERVER}/"]
