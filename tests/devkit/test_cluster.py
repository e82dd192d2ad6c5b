"""Three brokers lose no answered command, whichever broker is killed."""

import asyncio
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


class Member(Process):
    """One broker of a cluster."""

    def __init__(self, work, number):
        ports = {f"{x}_PORT": str(free_port()) for x in ("SERVER", "MANAGEMENT_SERVER")}
        self.rest_url = f"http://{LOOPBACK}:{ports['SERVER_PORT']}"
        cluster = {
            "CAMUNDA_CLUSTER_NODEID": str(number),
            "CAMUNDA_CLUSTER_INITIALCONTACTPOINTS": ",".join(3 * [LOOPBACK]),
            SHARED: str(work),
        }
        super().__init__(
            [sys.executable, "-m", "devkit"],
            log=work / f"{number}.log",
            environment=os.environ | ports | cluster,
        )

    async def leader(self):
        """Return the number of the leader, as this broker sees it."""
        async with Client(self.rest_url) as client:
            brokers = (await client.topology())["brokers"]
        roles = [each["partitions"][0]["role"] for each in brokers]
        assert sorted(roles) == ["follower", "follower", "leader"]
        return roles.index("leader")


@pytest.mark.slow
async def test_leaders_that_are_killed(tmp_path):
    """Each next leader continues with all answered commands, and repeats none."""
    answered = []

    async def create(client):
        while True:
            with suppress(CommandError, aiohttp.ClientError):
                answer = await client.create_instance("fx-invoice")
                answered.append(answer["processInstanceKey"])

    async def more():
        enough = len(answered) + 30
        await eventually(lambda: len(answered) > enough)

    async with AsyncExitStack() as stack:
        members = [Member(tmp_path, number) for number in range(3)]
        for each in members:
            await stack.enter_async_context(each)
            each.spawn()
        left = dict(enumerate(members))
        while len(left) > 1:
            (leader,) = {await leader_of(each) for each in left.values()}
            follower = next(each for number, each in left.items() if number != leader)
            async with Client(follower.rest_url) as client:
                await client.deploy(FILES)
                busy = [asyncio.create_task(create(client)) for _ in range(4)]
                await more()
                left.pop(leader).kill()
                await more()
                for each in busy:
                    each.cancel()
                await asyncio.gather(*busy, return_exceptions=True)
        (last,) = left.values()
        assert members[await leader_of(last)] is last
        async with Client(last.rest_url) as client:
            for each in answered:
                path = f"process-instances/{each}/cancellation"
                await client.ask("POST", path, json={})

    assert len(answered) > 120
    assert len(set(answered)) == len(answered)


async def leader_of(member):
    """Wait until *member* reaches a leader, and return its number."""

    async def found():
        with suppress(aiohttp.ClientError):
            return [await member.leader()]

    return (await eventually(found))[0]
