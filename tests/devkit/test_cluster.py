"""Three brokers lose nothing that was answered, whatever happens to one of them."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

import aiohttp
import pytest

from devkit.client import Client
from devkit.processes import Process, free_port
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]
PATIENCE = 20


class Member(Process):
    """One of the brokers."""

    def __init__(self, work, number, addresses):
        """Keep data and log in *work*."""
        ports = {f"{x}_PORT": str(free_port()) for x in ("SERVER", "MANAGEMENT_SERVER")}
        self.rest_url = f"http://127.0.0.1:{ports['SERVER_PORT']}"
        self.state_url = f"http://{addresses[number]}/state"
        contacts = {
            "CAMUNDA_CLUSTER_NODEID": str(number),
            "CAMUNDA_CLUSTER_INITIALCONTACTPOINTS": ",".join(addresses),
        }
        super().__init__(
            [sys.executable, "-m", "devkit", "--data", str(work / str(number))],
            log=work / f"{number}.log",
            environment=os.environ | ports | contacts,
        )

    async def state(self):
        """Return what the others see."""
        timeout = aiohttp.ClientTimeout(total=1)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                about = {"number": -1, "term": 0, "has": 0, "last": []}
                async with session.post(self.state_url, json=about) as answer:
                    return await answer.json()
            except (aiohttp.ClientError, OSError):
                return {"leads": False}


@pytest.fixture
async def members(tmp_path):
    """Return three brokers, one of which leads."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    async with AsyncExitStack() as stack:
        found = [Member(tmp_path, number, addresses) for number in range(3)]
        for each in found:
            await stack.enter_async_context(each)
            each.spawn()
        yield found


async def leader_of(members):
    """Return the one that leads, and the others."""

    async def leading():
        return [each for each in members if (await each.state())["leads"]]

    (leader,) = await eventually(leading, within=PATIENCE)
    return leader, [each for each in members if each is not leader]


async def created(client, count):
    """Create *count* instances at once; return their keys."""
    answers = await asyncio.gather(
        *(client.create_instance("fx-ext") for _ in range(count))
    )
    return [each["processInstanceKey"] for each in answers]


async def test_brokers_that_hang(members):
    """A follower delays nobody for long, and a leader of old doesn't lead again."""
    leader, others = await leader_of(members)
    async with Client(leader.rest_url) as client:
        await client.deploy(FILES)
        first = await created(client, 30)
        others[1].signal(signal.SIGSTOP)
        async with asyncio.timeout(10):
            first += await created(client, 10)
        others[1].signal(signal.SIGCONT)
    leader.signal(signal.SIGSTOP)
    new, _ = await leader_of(others)
    async with Client(new.rest_url) as client:
        second = await created(client, 5)
        leader.signal(signal.SIGCONT)

        async def agree():
            states = [await each.state() for each in members]
            ages = {tuple(each.get("age", ())) for each in states}
            return len(ages) == 1 and sum(each["leads"] for each in states) == 1

        await eventually(agree, within=PATIENCE)
        last, _ = await leader_of(members)
    async with Client(last.rest_url) as client:
        for each in first + second:
            body = {"filter": {"processInstanceKey": each}}
            assert (await client.ask("POST", "user-tasks/search", json=body))["items"]
    # Nothing was done twice: the deployment, and each instance.
    assert (await last.state())["age"][1] == 1 + len(first) + len(second)
    assert last is new


async def test_no_majority(members):
    """A leader alone does nothing, and says why."""
    leader, others = await leader_of(members)
    async with Client(leader.rest_url) as client:
        await client.deploy(FILES)
    for each in others:
        each.kill()

    async def refused():
        url = f"{leader.rest_url}/v2/process-instances"
        body = {"processDefinitionId": "fx-ext"}
        async with aiohttp.request("POST", url, json=body) as answer:
            return answer.status == 503 and await answer.json()

    problem = await eventually(refused)
    _, entries = (await leader.state())["age"]
    assert problem == {"detail": "There is no majority"}
    assert await refused()
    assert (await leader.state())["age"][1] == entries
