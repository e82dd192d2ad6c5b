"""In a cluster whose leader is killed every event arrives, and repeats are the same."""

import asyncio
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest
from testcontainers.core.network import Network

from exporter.demo.engine import Engine
from exporter.demo.errors import EngineError
from tests.conftest import eventually
from tests.containers.offices import unstaffed
from tests.integration.office import LIFE, PATIENCE

NODES = range(3)
CLUSTER = {
    "ZEEBE_BROKER_CLUSTER_CLUSTERSIZE": "3",
    "ZEEBE_BROKER_CLUSTER_REPLICATIONFACTOR": "3",
    "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT": "1",
    "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS": ",".join(
        f"node-{node}:26502" for node in NODES
    ),
    # A leader that is gone is noticed within a second or two.
    "ZEEBE_BROKER_CLUSTER_ELECTIONTIMEOUT": "1s",
    "ZEEBE_BROKER_CLUSTER_HEARTBEATINTERVAL": "100ms",
    "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBEINTERVAL": "200ms",
    "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_FAILURETIMEOUT": "2s",
}
CREATED = LIFE[:1]


@pytest.fixture
async def cluster(prepare):
    """Return three brokers that share one partition."""
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network())
        brokers = [
            stack.enter_context(
                prepare(
                    environment=CLUSTER
                    | {
                        "ZEEBE_BROKER_CLUSTER_NODEID": str(node),
                        "ZEEBE_BROKER_NETWORK_ADVERTISEDHOST": f"node-{node}",
                    },
                    network=network,
                    name=f"node-{node}",
                )
            )
            for node in NODES
        ]
        for broker in brokers:
            await broker.ready(brokers=len(NODES))
        yield brokers


async def test_leader_killed(cluster, backend):
    """While tasks are created the leader is killed: nothing is lost or renamed."""
    leader = await leader_of(cluster[0])
    [other, *_] = [node for node in NODES if node != leader]
    async with unstaffed(cluster[other], backend) as office:
        creating = asyncio.create_task(created(office, 60))
        await eventually(lambda: len(backend.arrivals) > 15, within=PATIENCE)
        await asyncio.to_thread(cluster[leader].docker.kill)
        told_before = len(backend.arrivals)
        instances = await creating
        await office.all_told(instances, CREATED)

        assert told_before < len(instances)
        assert office.histories(instances) == dict.fromkeys(instances, CREATED)
        assert await leader_of(cluster[other]) != leader
        # The new leader sends again what the old one had sent, from another spool.
        assert len(backend.arrivals) > len({each.task for each in backend.arrivals})
        assert one_identity_each(backend.arrivals)


async def created(office, count):
    """Create instances until the engine has confirmed *count*; return those."""
    instances = []
    while len(instances) < count:
        # For a while there is no leader, and who asks is told so.
        with suppress(EngineError, aiohttp.ClientError):
            instances += await office.review(1)
    return instances


async def leader_of(broker):
    """Return the node that leads the partition, as *broker* sees it."""
    async with Engine(broker.rest_url) as engine:
        topology = await engine.topology()
    leaders = [
        each["nodeId"]
        for each in topology["brokers"]
        for partition in each["partitions"]
        if partition["role"] == "leader"
    ]
    return int(leaders[0])


def one_identity_each(arrivals):
    """Return whether an event has the same identity whoever sends it, and no other."""
    names = {}
    for arrival in arrivals:
        names.setdefault((arrival.task, arrival.intent), set()).add(arrival.identity)
    return all(len(identities) == 1 for identities in names.values())
