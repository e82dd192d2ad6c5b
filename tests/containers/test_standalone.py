"""The exporter in a container of its own serves a broker that nobody has changed."""

import pytest
from testcontainers.core.container import DockerContainer

from exporter.distribution.broker_environment import broker_environment
from tests.conftest import eventually
from tests.containers.backend import HOST
from tests.containers.brokers import version_of
from tests.containers.offices import staffed
from tests.integration.office import LIFE

SECRET = {"username": "broker", "password": "only between the two"}


@pytest.fixture
def exporter(standalone, network, configured):
    """Run the standalone image, where any container of *network* finds it."""
    variables = configured | {
        "APP_INTEGRATIONS_INGEST_HOST": "0.0.0.0",  # noqa: S104 -- others reach it
        "APP_INTEGRATIONS_INGEST_USERNAME": SECRET["username"],
        "APP_INTEGRATIONS_INGEST_PASSWORD": SECRET["password"],
    }
    container = DockerContainer(standalone).with_envs(**variables)
    container.with_network(network).with_network_aliases("exporter")
    container.with_kwargs(
        extra_hosts={HOST: "host-gateway"},
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    with container:
        yield container


async def test_beside_a_stock_broker(start, camunda, exporter, network, backend):
    """An unmodified broker sends with the password, and everything arrives."""
    told = broker_environment(version_of(camunda), "http://exporter:9280", **SECRET)
    stock = {"image": camunda, "environment": told, "network": network}
    async with start(**stock) as broker, staffed(broker, backend) as office:
        instances = await office.review(10)
        await office.all_told(instances, LIFE)

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)
        assert broker.exporter() is None
    exporter.get_wrapped_container().stop(timeout=20)
    assert exporter.get_wrapped_container().wait()["StatusCode"] == 0


async def test_without_the_password(start, camunda, exporter, network, backend):
    """Who hasn't the password gets nothing through, and the log says who it was."""
    told = broker_environment(version_of(camunda), "http://exporter:9280")
    stock = {"image": camunda, "environment": told, "network": network}
    async with start(**stock) as broker, staffed(broker, backend) as office:
        await office.review(1)
        log = exporter.get_wrapped_container().logs
        await eventually(lambda: b"401" in log(), within=30)

        await eventually(lambda: "401" in broker.log, within=30)

        assert backend.arrivals == []
