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

OLD, NEW, NEWEST = "8.6.0", "8.8.21", "8.10.0"
NO_SERVER = "http://127.0.0.1:1"


class Management:
    """The management port of a broker."""

    def __init__(self, broker, session):
        """Ask the *broker*."""
        self.broker = broker
        self.exporting = broker.exporting["default", 1]
        self._session = session

    async def ask(self, method, path, **more):
        """Return the status of the answer and what it says."""
        url = f"{self.broker.management_url}/actuator/{path}"
        async with self._session.request(method, url, **more) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def change(self, verb, name="x", **query):
        """Return the status of the answer to a request for a change."""
        method, end = ("DELETE", "") if verb == "delete" else ("POST", f"/{verb}")
        path = f"exporters/{name}{end}"
        return (await self.ask(method, path, params=query, json={}))[0]

    async def states(self):
        """Return what is listed: the state by physical tenant and id."""
        return {
            (each.get("physicalTenant"), each["exporterId"]): each["status"]
            for each in (await self.ask("GET", "exporters"))[1]
        }

    async def reach(self, state, tenant="default"):
        """Return when the exporter of a physical tenant has a state, or is gone."""
        states = self.broker.exporting[tenant, 1].states
        await eventually(lambda: states.get("x") == state)

    async def partition(self, method="GET", path="partitions"):
        """Return what is shown of the partition."""
        return (await self.ask(method, path))[1]["1"]


@asynccontextmanager
async def managed(version, environ=None, data=None):
    """Run a broker, with one exporter unless *environ* says otherwise."""
    environ = variables(version, URL=NO_SERVER) if environ is None else environ
    async with (
        Broker(version, environ, data=data) as broker,
        aiohttp.ClientSession() as session,
    ):
        yield Management(broker, session)


def deploy(broker):
    """Let the log have records; return the position of the last one."""
    files = next(iter(broker.engine.recording.deployments.values()))
    Commands(broker.engine).deploy(files)
    broker.engine.commit()
    return broker.partition(1).log.records[-1]["position"]


@pytest.mark.parametrize("version, tenant", [(OLD, None), (NEWEST, "default")])
async def test_change_takes_a_moment(version, tenant):
    """A change is accepted, another one meanwhile isn't, and then it is done."""
    async with managed(version) as port:
        accepted = await port.change("disable")
        meanwhile = await port.states()
        busy = await port.change("enable")
        await port.reach("DISABLED")
        again = await port.change("enable", "X")
        enabling = await port.states()
        await port.reach("ENABLED")

    assert (accepted, busy, again) == (202, 409, 202)
    assert meanwhile == {(tenant, "x"): "DISABLING"}
    assert enabling == {(tenant, "x"): "ENABLING"}


@pytest.mark.parametrize("version, status", [(NEW, 400), (NEWEST, 404)])
@pytest.mark.parametrize("verb, name", [("enable", "y"), ("delete", "x")])
async def test_what_cannot_be(version, status, verb, name):
    """What can't be done to an exporter is answered with 400, with 404 from 8.10 on."""
    async with managed(version) as port:
        assert await port.change(verb, name) == status
        assert port.exporting.states == {"x": "ENABLED"}


@pytest.mark.parametrize(
    "version, before, status, after",
    [(OLD, "DISABLED", 404, "DISABLED"), (NEW, "CONFIG_NOT_FOUND", 202, None)],
)
async def test_delete(tmp_path, version, before, status, after):
    """What lost its variables can be deleted in the versions that remember it."""
    async with managed(version, data=tmp_path) as port:
        await port.ask("POST", "partitions/takeSnapshot")
    async with managed(version, {}, data=tmp_path) as port:
        assert (await port.states())[None, "x"] == before
        assert await port.change("delete") == status
        await port.reach(after)


@pytest.mark.parametrize("version, phase", [("8.9.0", "EXPORTING"), (NEWEST, "PAUSED")])
async def test_pause(tmp_path, version, phase):
    """Paused, nothing is exported until it resumes, from 8.10 on over a restart."""
    async with Recorder() as recorder:
        environ = variables(version, URL=recorder.url, INCLUDEENABLEDRECORDS="true")
        async with managed(version, environ, data=tmp_path) as port:
            assert (await port.ask("POST", "exporting/pause"))[0] == 204
            last = deploy(port.broker)
            assert (await port.partition())["exporterPhase"] == "PAUSED"
            assert port.exporting.exported == {"x": -1}
        async with managed(version, environ, data=tmp_path) as port:
            assert (await port.partition())["exporterPhase"] == phase
            await port.ask("POST", "exporting/resume")
            await eventually(lambda: port.exporting.exported == {"x": last})


async def test_physical_tenants():
    """8.10 lists every physical tenant's exporters, and changes one's or all."""
    names = [f"CAMUNDA_PHYSICALTENANTS_{x}" for x in ("DEFAULT", "RED")]
    environ = dict.fromkeys([f"{x}_DATA_EXPORTERSASSIGNED" for x in names], "x")
    async with managed(NEWEST, environ | variables(NEWEST, URL=NO_SERVER)) as port:
        unknown = await port.change("disable", physicalTenant="blue")
        first = await port.change("disable", physicalTenant="red")
        await port.reach("DISABLED", "red")
        one = await port.states()
        await port.change("disable")
        await port.reach("DISABLED")

    assert (unknown, first) == (404, 202)
    assert one == {("default", "x"): "ENABLED", ("red", "x"): "DISABLED"}


async def test_snapshot():
    """A snapshot holds what was exported until then, and its name says so."""
    async with Recorder() as recorder:
        environ = variables(NEW, URL=recorder.url, BULK_SIZE=1, BULK_DELAY=1)
        async with managed(NEW, environ) as port:
            last = deploy(port.broker)
            await eventually(lambda: port.exporting.positions == {"x": last})
            before = await port.partition()
            after = await port.partition("POST", "partitions/takeSnapshot")
            _, metrics = await port.ask("GET", "prometheus")

    assert before["snapshotId"] is None
    assert before["exportedPosition"] == after["exportedPosition"] == last
    assert after["snapshotId"].split("-")[3] == str(last)
    assert read(metrics) == {
        "zeebe_exporter_last_exported_position x 1": last,
        "zeebe_exporter_last_updated_exported_position x 1": last,
    }


async def test_clock():
    """The engine's clock is moved, again and again."""
    async with managed(NEW) as port:
        before = port.broker.now_ms()
        for offset in (3_000_000, 600_000):
            await port.ask("POST", "clock/add", json={"offsetMilli": offset})
        moved = port.broker.now_ms() - before

    assert 3_600_000 <= moved < 3_700_000


async def test_healthy_without_exports(caplog):
    """A URL with more than host and port exports nothing; only the log says so."""
    async with managed(NEW, variables(NEW, URL=f"{NO_SERVER}/")) as port:
        deploy(port.broker)
        for path in ("health", "health/readiness"):
            assert await port.ask("GET", path) == (200, {"status": "UP"})
        assert (await port.partition())["exporterPhase"] == "EXPORTING"
        assert port.exporting.exported == {"x": -1}
    assert caplog.messages == [f"Invalid HTTP host: {NO_SERVER}/"]
