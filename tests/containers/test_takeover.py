"""Whoever has the official exporter goes on with ours where it stopped."""

import json

import pytest
from testcontainers.core.container import DockerContainer

from exporter.distribution.broker_environment import broker_environment
from exporter.distribution.takeover import OFFICIAL
from tests.conftest import eventually
from tests.containers.brokers import version_of
from tests.containers.offices import staffed, unstaffed
from tests.integration.office import LIFE, PATIENCE

ID = "APPINTEXPORTER"
SECRET = {"username": "broker", "password": "only between the two"}


@pytest.fixture
def official(standalone, network):
    """
    Receive what the official exporter would send, and tell the backend nothing.

    It stands for one: in the broker it has an id, and a position that grows.
    """
    container = DockerContainer(standalone).with_envs(
        APP_INTEGRATIONS_URL="http://127.0.0.1:9/",
        APP_INTEGRATIONS_INGEST_HOST="0.0.0.0",  # noqa: S104 -- the broker reaches it
        APP_INTEGRATIONS_INGEST_USERNAME=SECRET["username"],
        APP_INTEGRATIONS_INGEST_PASSWORD=SECRET["password"],
    )
    container.with_network(network).with_network_aliases("official")
    with container:
        yield container


def received(official):
    """Return how many events it has."""
    command = ["app-integrations-exporter", "status", "--json"]
    output = official.get_wrapped_container().exec_run(command, demux=True).output[0]
    return json.loads(output)["spool"]["events"]


@pytest.fixture
def before(camunda, network):
    """Return how a broker is started that has the official exporter."""
    told = broker_environment(
        version_of(camunda), "http://official:9280", exporter_id=ID, **SECRET
    )
    return {"image": camunda, "environment": told, "network": network}


async def test_takeover(start, before, official, volume, backend):
    """Who changes the image keeps the id, and nothing from before is sent again."""
    async with (
        start(**before, volume=volume) as broker,
        unstaffed(broker, backend) as office,
    ):
        await office.review(3)
        await eventually(lambda: received(official) == 3, within=PATIENCE)
        await broker.snapshot()
        broker.docker.stop(timeout=30)

    prefix = f"ZEEBE_BROKER_EXPORTERS_{ID}"
    as_it_was = {
        "APP_INTEGRATIONS_URL": "",
        f"{prefix}_CLASSNAME": OFFICIAL,
        f"{prefix}_ARGS_URL": backend.url,
        f"{prefix}_ARGS_APIKEY": "secret",
        f"{prefix}_ARGS_MAXRETRIES": "2",
    }
    async with (
        start(environment=as_it_was, volume=volume) as broker,
        staffed(broker, backend) as office,
    ):
        instances = await office.review(3)
        await office.all_told(instances, LIFE)
        exporters = await broker.exporters()

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)
        assert {each.instance for each in backend.arrivals} == set(instances)
        assert exporters == {ID.lower(): "ENABLED"}
        assert backend.headers[-1]["X-API-KEY"] == "secret"
        assert OFFICIAL not in broker.variables(broker.java()).values()
        (notice,) = broker.said("setting without effect")
        assert "MAXRETRIES" in notice["detail"]
