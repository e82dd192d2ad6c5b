"""A broker of the recorded engine over its ports, alone and in a cluster."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import aiohttp
import pytest

from devkit.broker import Broker
from devkit.client import Client, CommandError
from devkit.cluster import SHARED
from devkit.processes import LOOPBACK
from devkit.recorder import Recorder
from devkit.stories import RECORDINGS, CannotStartError, recording
from exporter import cli
from exporter.broker.environment import broker_environment
from tests.conftest import eventually

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]


@pytest.fixture
async def recorder():
    """Return a server that accepts everything from exporters."""
    async with Recorder() as recorder:
        yield recorder


async def lived(rest_url, recorder):
    """Create and complete a user task; return the key of its instance."""
    async with Client(rest_url) as client:
        await client.deploy(FILES)
        started = await client.create_instance("fx-ext")
        instance = str(started["processInstanceKey"])
        (task,) = await eventually(lambda: recorder.of(instance, "CREATED"))
        await client.complete(task["key"])
        return instance


@pytest.mark.parametrize("version", ["8.6.0", "8.8.21", "8.9.0", "8.10.9"])
async def test_commands_are_exported(version, recorder):
    """Commands over the REST API reach the exporter in the variables."""
    variables = broker_environment(version, recorder.url)
    async with Broker(version, variables) as broker:
        instance = await lived(broker.rest_url, recorder)
        await eventually(lambda: recorder.of(instance, "COMPLETED"))

    records = recorder.of(instance)
    assert {each["valueType"] for each in records} == {"USER_TASK"}
    intents = [each["intent"] for each in records]
    assert intents == ["CREATING", "CREATED", "COMPLETING", "COMPLETED"]


async def test_placeholders(recorder):
    """`${NAME}` in a value is replaced by that variable, or by its default."""
    url = "http://${HOST:127.0.0.1}:${PORT}"
    given = broker_environment("8.9.0", "http://here:1") | {"PORT": str(recorder.port)}
    given = {name: value.replace("http://here:1", url) for name, value in given.items()}

    async with Broker("8.9.0", given) as broker:
        instance = await lived(broker.rest_url, recorder)

        await eventually(lambda: recorder.of(instance, "COMPLETED"))


async def test_an_incident_is_resolved(recorder):
    """The REST API can set variables and resolve an incident."""
    variables = broker_environment("8.6.0", recorder.url, value_types=["INCIDENT"])
    files = recording(RECORDINGS / "8.6.0").deployments["fx-inc"]
    async with Broker("8.6.0", variables) as broker, Client(broker.rest_url) as client:
        await client.deploy(files)
        started = await client.create_instance("fx-inc")
        instance = started["processInstanceKey"]
        await eventually(lambda: recorder.of(str(instance)))
        (incident,) = recorder.of(str(instance))
        body = {"variables": {"missing": 7}}
        path = f"element-instances/{instance}/variables"
        await client.ask("PUT", path, json=body)
        path = f"incidents/{incident['key']}/resolution"
        await client.ask("POST", path, json={})
        await eventually(lambda: recorder.of(str(instance), "RESOLVED"))


async def test_refusals_are_answers():
    """A command that wasn't recorded gets a problem document with the reason."""
    async with Broker() as broker, Client(broker.rest_url) as client:
        with pytest.raises(CommandError, match="No process fx-ext is deployed"):
            await client.create_instance("fx-ext")
        with pytest.raises(CommandError, match="Deploy the recorded files"):
            await client.deploy({"own.bpmn": b""})


async def test_a_snapshot_is_where_a_restart_begins(recorder, tmp_path):
    """After a restart, the records since the last snapshot are exported again."""
    variables = broker_environment("8.6.0", recorder.url)
    async with Broker("8.6.0", variables, data=tmp_path) as broker:
        first = await lived(broker.rest_url, recorder)
        await eventually(lambda: recorder.of(first, "COMPLETED"))
        await eventually(lambda: _positions(broker)[0] == _positions(broker)[1])
        broker.take_snapshot()
        second = await lived(broker.rest_url, recorder)
        await eventually(lambda: recorder.of(second, "COMPLETED"))
    async with Broker("8.6.0", variables, data=tmp_path):
        await eventually(lambda: len(recorder.of(second, "COMPLETED")) == 2)

    assert len(recorder.of(first, "COMPLETED")) == 1
    counts = Counter(each["position"] for each in recorder.of(second))
    assert set(counts.values()) == {2}


def _positions(broker):
    (exporting,) = broker.exporting.values()
    return exporting.positions["appintspool"], broker.partition(1).position


async def test_a_wrong_configuration():
    """8.10 doesn't start with an unknown argument."""
    variables = broker_environment("8.10.9", "http://127.0.0.1:1")
    (name,) = (x for x in variables if x.endswith("_CLASSNAME"))
    wrong = name.replace("CLASSNAME", "ARGS_UNHEARD")

    with pytest.raises(CannotStartError, match=r"(?i)unheard"):
        Broker("8.10.9", variables | {wrong: "1"})


async def test_a_leader_is_replaced(recorder, tmp_path):
    """When the leader ends, another broker continues with all answered commands."""
    async with AsyncExitStack() as stack:
        brokers = []
        for number in range(3):
            variables = broker_environment("8.6.0", recorder.url) | {
                "ZEEBE_BROKER_CLUSTER_NODEID": str(number),
                "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS": ",".join(3 * [LOOPBACK]),
                SHARED: str(tmp_path),
            }
            own = AsyncExitStack()
            broker = Broker("8.6.0", variables)
            brokers.append((await own.enter_async_context(broker), own))
            stack.push_async_exit(own)
        await eventually(lambda: any(each.cluster.leads for each, _ in brokers))
        (leader,) = (x for x in brokers if x[0].cluster.leads)
        followers = [x for x in brokers if x is not leader]
        before = await lived(followers[0][0].rest_url, recorder)
        await leader[1].aclose()
        await eventually(lambda: any(each.cluster.leads for each, _ in followers))
        after = await lived(followers[1][0].rest_url, recorder)
        await eventually(lambda: recorder.of(after, "COMPLETED"))

    assert before != after
    positions = {x["position"] for x in recorder.of(before)}
    assert positions.isdisjoint(x["position"] for x in recorder.of(after))
    assert recorder.of(before, "COMPLETED")


async def test_our_commands_for_physical_tenants(recorder, capsys):
    """In 8.10, `uninstall` and `enable` work for one tenant and for all tenants."""
    given = broker_environment("8.10.9", recorder.url, physical_tenants=["red"])
    async with Broker("8.10.9", given) as broker:

        async def states(command, *options):
            argv = [command, "--broker", broker.management_url, *options]
            assert await asyncio.to_thread(cli.main, argv) == 0
            assert capsys.readouterr().out.startswith("appintspool is ")
            every = broker.exporting.items()
            return {tenant: each.states["appintspool"] for (tenant, _), each in every}

        one = await states("uninstall", "--physical-tenant", "red")
        both = await states("uninstall")
        again = await states("enable", "--physical-tenant", "red")
        all_again = await states("enable")

    assert one == {"default": "ENABLED", "red": "DISABLED"}
    assert both == {"default": "DISABLED", "red": "DISABLED"}
    assert again == {"default": "DISABLED", "red": "ENABLED"}
    assert all_again == {"default": "ENABLED", "red": "ENABLED"}


async def test_below_a_context_path(recorder):
    """The actuator is below the configured base path."""
    variables = broker_environment("8.9.0", recorder.url)
    variables["MANAGEMENT_SERVER_BASEPATH"] = "/orchestration"
    async with Broker("8.9.0", variables) as broker, aiohttp.ClientSession() as session:
        url = f"{broker.management_url}/orchestration/actuator/exporters"
        async with session.get(url) as answer:
            assert [x["exporterId"] for x in await answer.json()] == ["appintspool"]
        async with session.get(f"{broker.management_url}/actuator/exporters") as answer:
            assert answer.status == 404


async def test_exporting_that_fails(monkeypatch):
    """A broker whose main task fails ends at once, and raises the error."""

    async def run(_: object) -> None:
        raise OverflowError("too large")

    monkeypatch.setattr("devkit.exporting.Exporting.run", run)
    with pytest.raises(ExceptionGroup) as raised:
        async with Broker() as broker:
            await asyncio.wait([broker.working])

    assert str(raised.value.exceptions[0]) == "too large"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(broker.rest_url)
