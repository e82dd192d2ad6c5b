"""In a cluster whose leader is killed, every event arrives, with stable identities."""

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from devkit.arguments import version_of
from devkit.client import Client, CommandError
from tests.conftest import eventually
from tests.integration.engine import CREATED, PATIENCE, Engine

NODES = range(3)

# Names of variables up to 8.8, and from 8.9 on.
NAMES = {
    "ZEEBE_BROKER_CLUSTER_CLUSTERSIZE": "CAMUNDA_CLUSTER_SIZE",
    "ZEEBE_BROKER_CLUSTER_REPLICATIONFACTOR": "CAMUNDA_CLUSTER_REPLICATIONFACTOR",
    "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS": "CAMUNDA_CLUSTER_INITIALCONTACTPOINTS",
    "ZEEBE_BROKER_CLUSTER_NODEID": "CAMUNDA_CLUSTER_NODEID",
    "ZEEBE_BROKER_NETWORK_ADVERTISEDHOST": "CAMUNDA_CLUSTER_NETWORK_ADVERTISEDHOST",
}


@pytest.fixture
async def cluster(place, version, backend):
    """Return three brokers that share one partition, each with an exporter."""
    addresses, shared = place.addresses(len(NODES)), place.new_directory()
    old = version_of(version) < (8, 9)
    async with AsyncExitStack() as stack:
        brokers = []
        for node, address in enumerate(addresses):
            host = address.partition(":")[0]
            values = ("3", "3", ",".join(addresses), str(node), host)
            names = NAMES if old else NAMES.values()
            variables = dict(zip(names, values, strict=True))
            variables["APP_INTEGRATIONS_URL"] = backend.url
            options = {"address": address, "shared": shared}
            member = place.broker(variables, version=version, **options)
            brokers.append(await stack.enter_async_context(member))
            brokers[-1].spawn()
        for broker in brokers:
            await broker.takes_commands(len(NODES))
        yield brokers


async def test_leader_killed(cluster, backend, version):
    """A kill of the leader under load loses no event and changes no identity."""
    leader = await leader_of(cluster[0])
    other = cluster[next(node for node in NODES if node != leader)]
    async with Client(other.rest_url) as client:
        engine = Engine(other, client, backend, None, version)
        creating = asyncio.create_task(created(engine, 60))
        await eventually(lambda: len(backend.arrivals) > 15, within=PATIENCE)
        cluster[leader].kill()
        told_before = len(backend.arrivals)
        instances = await creating
        await engine.all_arrived(instances, CREATED)
        new_leader = await leader_of(other)

    assert told_before < len(instances)
    assert engine.histories(instances) == dict.fromkeys(instances, CREATED)
    assert new_leader != leader
    # The new leader's exporter sends some events again, from its own spool.
    identities = defaultdict(list)
    for arrival in backend.arrivals:
        identities[arrival.task, arrival.intent].append(arrival.identity)
    assert max(map(len, identities.values())) > 1
    assert all(len(set(each)) == 1 for each in identities.values())


async def created(engine, count):
    """Create *count* instances that the engine confirmed; return their keys."""
    instances = []
    while len(instances) < count:
        # There is no leader for a while.
        with suppress(CommandError, aiohttp.ClientError):
            instances += await engine.tasks(1)
    return instances


async def leader_of(broker):
    """Return the node that leads the partition, as *broker* sees it."""
    async with Client(broker.rest_url) as client:
        topology = await client.topology()
    roles = {x["nodeId"]: x["partitions"][0]["role"] for x in topology["brokers"]}
    return next(node for node, role in roles.items() if role == "leader")
