"""
What the official exporter loses events by, at the same rate on the same engine.

In a short form by default; FAULT_SECONDS=20 is the one whose figures are published.
"""

import asyncio
import os
import time
from itertools import pairwise

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import eventually
from tests.integration.office import APPROVAL, PATIENCE, VARIABLES, Office
from tests.integration.unruly import Unruly, answering, refusing

SECONDS = int(os.environ.get("FAULT_SECONDS", "3"))
TASKS_A_SECOND = 25
TASKS = SECONDS * TASKS_A_SECOND
BAD = "bad"
CREATED = ["CREATED"]


@pytest.fixture
async def backend():
    """Return a backend that can misbehave."""
    async with Unruly() as backend:
        yield backend


class Outage(Office):
    """An office where tasks come at a steady rate."""

    async def tasks(self, count=TASKS, bad=()):
        """Start *count* instances with a task each, 25 a second; return their keys."""
        deployed = await self.deploy(APPROVAL)
        definition = deployed[APPROVAL.name]["processDefinitionKey"]
        begun, instances = time.monotonic(), []
        for number in range(count):
            due = begun + number / TASKS_A_SECOND
            await eventually(lambda due=due: time.monotonic() >= due)
            assignee = {"assignee": BAD if number in bad else "ann"}
            started = await self.engine.create_instance(
                definition, VARIABLES | assignee
            )
            instances.append(str(started["processInstanceKey"]))
        return instances


@pytest.fixture
async def office(engine, backend, service):  # noqa: ARG001 -- it must run
    """Return everything together, with tasks at a steady rate."""
    return Outage(engine, backend)


async def held(service):
    """Return how many events and dead letters the exporter holds."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.admin_url}/metrics") as answer,
    ):
        text = await answer.text()
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    prefix = "app_integrations_exporter_spool_"
    return values[f"{prefix}events"], values[f"{prefix}dead_letters"]


async def nothing_waits(service):
    """Return how many dead letters there are, once nothing waits any more."""
    deadline = time.monotonic() + 10
    while (now := await held(service))[0]:
        assert time.monotonic() < deadline, now
    return now[1]


@pytest.mark.parametrize("kind", ["answers 500", "refuses connections"])
async def test_outage(office, backend, service, kind):
    """An outage loses none of the tasks that were created meanwhile."""
    if kind == "answers 500":
        backend.rule = answering(500)
    else:
        await backend.down()
    instances = await office.tasks()
    assert office.identities(instances) == []
    backend.rule = None
    if kind == "refuses connections":
        await backend.up()
    await office.all_told(instances, CREATED)

    assert office.histories(instances) == dict.fromkeys(instances, CREATED)
    assert await nothing_waits(service) == 0


async def test_retry_after(office, backend, service):
    """Not one request comes before the time that a 429 asked for, and none is lost."""
    backend.rule = answering(429, **{"Retry-After": str(SECONDS)})
    [instance] = await office.tasks(1)
    await eventually(lambda: backend.asked)
    backend.rule = None
    instances = [instance, *await office.tasks()]
    await office.all_told(instances, CREATED)

    first, second, *_ = backend.asked
    assert second - first >= SECONDS
    assert office.histories(instances) == dict.fromkeys(instances, CREATED)
    assert await nothing_waits(service) == 0


async def test_bad_events(office, backend, service):
    """Each bad event is one dead letter; all others arrive, in time."""
    bad = {TASKS * part // 10 for part in (1, 3, 5, 7, 9)}
    backend.rule = refusing(lambda event: event["assignee"] == BAD)
    instances = await office.tasks(bad=bad)
    good = [each for number, each in enumerate(instances) if number not in bad]
    await office.all_told(good, CREATED)

    assert office.histories(good) == dict.fromkeys(good, CREATED)
    assert len(office.identities(instances)) == len(good)
    assert await nothing_waits(service) == len(bad)


async def test_a_backend_that_hangs(office, backend, service, recorder):
    """The engine's other exporter doesn't notice that a backend never answers."""
    released = asyncio.Event()

    async def hang(_):
        await released.wait()

    # Between two tests nobody served the broker, which may still wait for that reason.
    [first] = await office.tasks(1)
    await eventually(lambda: recorder.of(first, "CREATED"), within=PATIENCE)
    backend.rule = hang
    since = len(recorder.records)
    instances = await office.tasks(3 * TASKS if SECONDS >= 20 else TASKS)
    recorded = recorder.records[since:]
    delays = [each.delay for each in recorded]
    times = [each.at for each in recorded]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    backend.rule = None
    released.set()
    await office.all_told(instances, CREATED)

    assert max(delays) < 1
    assert max(gaps) < 1
    assert office.histories(instances) == dict.fromkeys(instances, CREATED)
    assert await nothing_waits(service) == 0
