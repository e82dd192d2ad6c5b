"""Three brokers lose no answered command, whichever broker is killed."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from devkit.client import Client, CommandError
from devkit.cluster import SHARED
from devkit.processes import LOOPBACK, Process, free_port
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-invoice"]
PATIENCE = 20


class Member(Process):
    """One broker of a cluster."""

    def __init__(self, work, number):
        """Keep the log in *work*, and share a directory there."""
        ports = {f"{x}_PORT": str(free_port()) for x in ("SERVER", "MANAGEMENT_SERVER")}
        self.number = number
        self.rest_url = f"http://{LOOPBACK}:{ports['SERVER_PORT']}"
        cluster = {
            "CAMUNDA_CLUSTER_NODEID": str(number),
            "CAMUNDA_CLUSTER_INITIALCONTACTPOINTS": ",".join(3 * [LOOPBACK]),
            SHARED: str(work / "shared"),
        }
        super().__init__(
            [sys.executable, "-m", "devkit"],
            log=work / f"{number}.log",
            environment=os.environ | ports | cluster,
        )

    async def roles(self):
        """Return the role of each live broker by number; {} if this one is down."""
        try:
            async with Client(self.rest_url) as client:
                brokers = (await client.topology())["brokers"]
        except (aiohttp.ClientError, OSError):
            return {}
        return {x["nodeId"]: x["partitions"][0]["role"] for x in brokers}


@pytest.fixture
async def members(tmp_path):
    """Return three brokers, one of which leads."""
    async with AsyncExitStack() as stack:
        found = [Member(tmp_path, number) for number in range(3)]
        for each in found:
            await stack.enter_async_context(each)
            each.spawn()
        yield found


async def leader_of(members):
    """Wait until all members agree on the leader; return leader and followers."""

    async def leading():
        roles = [await each.roles() for each in members]
        agreed = all(each == roles[0] for each in roles) and roles[0]
        return len(agreed or ()) == len(members) and sorted(agreed, key=agreed.get)

    numbers = await eventually(leading, within=PATIENCE)
    found = {each.number: each for each in members}
    assert (await members[0].roles())[numbers[-1]] == "leader"
    return found[numbers[-1]], [found[each] for each in numbers[:-1]]


async def test_leaders_that_are_killed(members):
    """Each next leader continues with all answered commands, and repeats none."""
    answered = []

    async def create(client):
        while True:
            with suppress(CommandError, aiohttp.ClientError):
                answer = await client.create_instance("fx-invoice")
                answered.append(answer["processInstanceKey"])

    leader, others = await leader_of(members)
    async with Client(others[-1].rest_url) as client:
        await client.deploy(FILES)
    while others:
        async with Client(others[-1].rest_url) as client:
            busy = [asyncio.create_task(create(client)) for _ in range(4)]
            count = len(answered)
            await eventually(lambda n=count: len(answered) > n + 30, within=PATIENCE)
            leader.kill()
            count = len(answered)
            await eventually(lambda n=count: len(answered) > n + 30, within=PATIENCE)
            for each in busy:
                each.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
        leader, others = await leader_of(others)

    assert len(answered) > 120
    assert len(set(answered)) == len(answered)
    async with Client(leader.rest_url) as client:
        for each in answered:
            path = f"process-instances/{each}/cancellation"
            await client.ask("POST", path, json={})


@pytest.mark.parametrize(
    "url, reason", [("", "no leader"), ("http://x:1", "has ended")]
)
async def test_nobody_leads(members, url, reason):
    """A follower without a leader answers with the reason, and does nothing."""
    leader, (follower, _) = await leader_of(members)
    about = {"number": leader.number, "rest": url} if url else {}
    path = leader.log.parent / "shared" / "leader.json"
    path.write_text(json.dumps(about), "utf-8")

    url = f"{follower.rest_url}/v2/process-instances"
    async with aiohttp.request("POST", url, json={}) as answer:
        assert answer.status == 503
        assert reason in (await answer.json())["detail"]
