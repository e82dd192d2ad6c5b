"""The management port answers as a broker's actuator does."""

from contextlib import asynccontextmanager

import aiohttp
import pytest

from devkit.broker import Broker
from devkit.commands import Commands
from devkit.metrics import read
from devkit.recorder import Recorder
from devkit.waiting import eventually
from tests.devkit.exporters import variables

TENANT = "CAMUNDA_PHYSICALTENANTS"
OLD, NEW, NEWEST = "8.6.0", "8.8.21", "8.10.0"


class Management:
    """The management port of a broker."""

    def __init__(self, broker, session):
        """Ask the *broker*."""
        self.broker = broker
        self._session = session
        self.exporting = broker.exporting["default", 1]

    async def ask(self, method, path, **more):
        """Return the status of the answer and what it says."""
        url = f"{self.broker.management_url}{path}"
        async with self._session.request(method, url, **more) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def change(self, verb, name="x", **more):
        """Return the status of the answer to a request for a change."""
        if verb == "delete":
            answer = await self.ask("DELETE", f"/actuator/exporters/{name}", **more)
        else:
            path = f"/actuator/exporters/{name}/{verb}"
            answer = await self.ask("POST", path, **{"json": {}} | more)
        return answer[0]

    async def states(self):
        """Return what is listed: the state by physical tenant and id."""
        _, listed = await self.ask("GET", "/actuator/exporters")
        return {
            (each.get("physicalTenant"), each["exporterId"]): each["status"]
            for each in listed
        }

    async def partition(self):
        """Return what is shown of the partition."""
        _, shown = await self.ask("GET", "/actuator/partitions")
        return shown["1"]


@asynccontextmanager
async def managed(version, environ=None, data=None):
    """Run a broker, with one exporter unless *environ* says otherwise."""
    environ = variables(version) if environ is None else environ
    async with (
        Broker(version, environ, data=data) as broker,
        aiohttp.ClientSession() as session,
    ):
        yield Management(broker, session)


@pytest.mark.parametrize("version, tenant", [(OLD, None), (NEWEST, "default")])
async def test_change_takes_a_moment(version, tenant):
    """A change is accepted, another one meanwhile isn't, and then it is done."""
    async with managed(version) as port:
        accepted = await port.change("disable")
        meanwhile = await port.states()
        busy = await port.change("enable")
        await eventually(lambda: port.exporting.states() == {"x": "DISABLED"})
        disabled = await port.states()
        again = await port.change("enable", "X")
        enabling = await port.states()
        await eventually(lambda: port.exporting.states() == {"x": "ENABLED"})

    assert (accepted, busy, again) == (202, 409, 202)
    assert meanwhile == {(tenant, "x"): "DISABLING"}
    assert disabled == {(tenant, "x"): "DISABLED"}
    assert enabling == {(tenant, "x"): "ENABLING"}


@pytest.mark.parametrize("version, status", [(NEW, 400), (NEWEST, 404)])
@pytest.mark.parametrize("verb, name", [("enable", "y"), ("delete", "x")])
async def test_what_cannot_be(version, status, verb, name):
    """What can't be done to an exporter is answered with 400, with 404 from 8.10 on."""
    async with managed(version) as port:
        assert await port.change(verb, name) == status
        assert port.exporting.states() == {"x": "ENABLED"}


async def test_without_json():
    """A change without a JSON body is refused."""
    async with managed(NEW) as port:
        assert await port.change("disable", json=None) == 415


@pytest.mark.parametrize("version, status", [(OLD, 404), (NEW, 202)])
async def test_delete(tmp_path, version, status):
    """What lost its variables can be deleted in the versions that remember it."""
    async with managed(version, data=tmp_path) as port:
        await port.change("disable")
        await eventually(lambda: port.exporting.states() == {"x": "DISABLED"})
        await port.change("enable")
        await eventually(lambda: port.exporting.states() == {"x": "ENABLED"})
    async with managed(version, {}, data=tmp_path) as port:
        before = port.exporting.states()
        deleted = await port.change("delete")
        await eventually(lambda: port.exporting.states() != {"x": "CONFIG_NOT_FOUND"})
        after = port.exporting.states()

    assert deleted == status
    assert before == {"x": "DISABLED" if version == OLD else "CONFIG_NOT_FOUND"}
    assert after == ({"x": "DISABLED"} if version == OLD else {})


async def test_disabled_over_a_restart(tmp_path):
    """A disabled exporter stays disabled, though no snapshot was taken."""
    async with managed(NEW, data=tmp_path) as port:
        await port.change("disable")
        await eventually(lambda: port.exporting.states() == {"x": "DISABLED"})
    async with managed(NEW, data=tmp_path) as port:
        assert port.exporting.states() == {"x": "DISABLED"}
        assert (await port.partition())["snapshotId"] is None


@pytest.mark.parametrize("version, paused", [("8.9.0", False), (NEWEST, True)])
async def test_pause_over_a_restart(tmp_path, version, paused):
    """From 8.10 on exporting stays paused over a restart."""
    async with managed(version, data=tmp_path) as port:
        assert (await port.ask("POST", "/actuator/exporting/pause"))[0] == 204
        assert (await port.partition())["exporterPhase"] == "PAUSED"
    async with managed(version, data=tmp_path) as port:
        assert port.exporting.paused == paused
        await port.ask("POST", "/actuator/exporting/resume")
        assert not port.exporting.paused


async def test_physical_tenants():
    """8.10 lists every physical tenant's exporters, and changes one's or all."""
    environ = variables(NEWEST) | {
        f"{TENANT}_{name}_DATA_EXPORTERSASSIGNED": "x" for name in ("DEFAULT", "RED")
    }
    async with managed(NEWEST, environ) as port:
        red = port.broker.exporting["red", 1]
        query = {"params": {"physicalTenant": "red"}}
        first = await port.change("disable", **query)
        await eventually(lambda: red.states() == {"x": "DISABLED"})
        one = await port.states()
        await port.change("disable")
        await eventually(lambda: port.exporting.states() == {"x": "DISABLED"})

    assert first == 202
    assert one == {("default", "x"): "ENABLED", ("red", "x"): "DISABLED"}


@pytest.mark.parametrize("version, status", [(NEW, 202), (NEWEST, 404)])
async def test_unknown_physical_tenant(version, status):
    """Before 8.10 nobody reads which physical tenant is meant."""
    async with managed(version) as port:
        query = {"params": {"physicalTenant": "blue"}}
        assert await port.change("disable", **query) == status
        assert await port.change("disable") == (409 if status == 202 else 202)


async def test_snapshot():
    """A snapshot holds what was exported until then, and its name says so."""
    async with Recorder() as recorder:
        url = recorder.url.removesuffix("/")
        environ = variables(NEW, URL=url, BULK_SIZE=1, BULK_DELAY=1)
        async with managed(NEW, environ) as port:
            deploy(port.broker)
            last = port.broker.partition(1).log.records[-1]["position"]
            await eventually(lambda: port.exporting.positions == {"x": last})
            before = await port.partition()
            _, shown = await port.ask("POST", "/actuator/partitions/takeSnapshot")
            metrics = read((await port.ask("GET", "/actuator/prometheus"))[1])

    after = shown["1"]
    assert before["snapshotId"] is None
    assert before["exportedPosition"] == after["exportedPosition"] == last
    assert after["snapshotId"].split("-")[3] == str(last)
    assert metrics == {
        "zeebe_exporter_last_exported_position x 1": last,
        "zeebe_exporter_last_updated_exported_position x 1": last,
        "zeebe_log_appender_last_appended_position 1": last,
    }


def deploy(broker):
    """Let the log have records."""
    files = next(iter(broker.engine.recording.deployments.values()))
    Commands(broker.engine).deploy(files)
    broker.engine.commit()


async def test_clock():
    """The engine's clock is moved, pinned and reset."""
    async with managed(NEW) as port:
        before = port.broker.now_ms()
        await port.ask("POST", "/actuator/clock/add", json={"offsetMilli": 3_600_000})
        added = port.broker.now_ms() - before
        _, pinned = await port.ask(
            "POST", "/actuator/clock/pin", json={"epochMilli": 5}
        )
        await port.ask("DELETE", "/actuator/clock")
        reset = port.broker.now_ms() - before

    assert 3_600_000 <= added < 3_700_000
    assert pinned == {"epochMilli": 5, "instant": "1970-01-01T00:00:00.005000+00:00"}
    assert 0 <= reset < 100_000


async def test_base_path():
    """Below a context path the actuator is there, and nowhere else."""
    environ = variables(NEW) | {"MANAGEMENT_SERVER_BASEPATH": "/camunda"}
    async with managed(NEW, environ) as port:
        below = await port.ask("GET", "/camunda/actuator/health/readiness")
        above, _ = await port.ask("GET", "/actuator/health/readiness")

    assert below == (200, {"status": "UP"})
    assert above == 404


async def test_healthy_without_exports():
    """A broker whose exporter can't open its URL is as healthy as any."""
    environ = variables(NEW, URL="http://127.0.0.1:1/")
    async with managed(NEW, environ) as port:
        assert await port.ask("GET", "/actuator/health") == (200, {"status": "UP"})
        assert (await port.partition())["exporterPhase"] == "EXPORTING"
