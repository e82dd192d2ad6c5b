"""Everything that happens in a real engine is told of, as its log has it, in order."""

import asyncio
import json
from itertools import groupby

import jsonschema
import pytest

from exporter import codec
from exporter.demo.download import BROKER
from exporter.demo.engine import Engine
from exporter.demo.service import Service
from exporter.distribution.broker_environment import broker_environment
from exporter.events import CATALOG, EVERYTHING, Mapper, Selection
from scripts.docs import DOCS
from tests.conftest import eventually
from tests.integration.office import MODELS, PATIENCE, Office
from tests.integration.recorder import Recorder

VALUE_TYPES = {each.value_type for each in CATALOG}
NAMES = ("everything.bpmn", "everything-child.bpmn", "everything.dmn")

HAPPENED = {
    "process.deployed",
    *(f"process-instance.{each}" for each in ("started", "completed", "terminated")),
    *(f"step.{each}" for each in ("activated", "completed", "terminated")),
    *(f"job.{each}" for each in ("created", "failed", "updated", "completed")),
    "incident.created",
    "incident.resolved",
    "decision.evaluated",
    "message.published",
    "message-subscription.created",
    "message-subscription.correlated",
    "timer.created",
    "timer.triggered",
    "escalation.not-escalated",
    "signal.broadcasted",
    "variable.created",
    "variable.updated",
    *(f"user-task.{each}" for each in ("created", "assigned", "unassigned")),
    *(f"user-task.{each}" for each in ("updated", "completed", "canceled")),
}


@pytest.fixture
def recorder():
    """Take what another exporter of the same broker sends."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
async def office(new_broker, tmp_path, backend, recorder):
    """Return a broker that sends everything, and a backend that wants it."""
    service = Service(tmp_path, backend.url, EVENTS=EVERYTHING)
    ours = broker_environment(
        BROKER.version, service.ingest_url, value_types=VALUE_TYPES
    )
    other = broker_environment(
        BROKER.version, recorder.url, exporter_id="RECORDER", value_types=VALUE_TYPES
    )
    broker = new_broker(tmp_path / "broker", **ours, **other)
    await asyncio.gather(service.start(), broker.start())
    async with Engine(broker.rest_url) as engine:
        yield Office(engine, backend)
    await broker.stop()
    assert await service.stop() == 0


async def test_every_event(office, backend, recorder):
    """Each event is what its schema says, and all of them are what the log says."""
    first, second = await live(office)

    def told():
        return {each.identity: each.event for each in backend.arrivals}

    def settled():
        """Return what the log says, once both have ended in it and all is told."""
        expected = mapped(recorder)
        ended = {each.instance for each in expected.values() if each.kind in ENDED}
        return ended >= {int(first), int(second)} and expected.keys() <= told().keys()

    await eventually(settled, within=PATIENCE)
    expected, events = mapped(recorder), told()
    assert {each.kind for each in expected.values()} >= HAPPENED
    assert events == {name: codec.decode(e.body) for name, e in expected.items()}
    for identity, event in events.items():
        schema(expected[identity].kind).validate(event)
    in_order(backend.arrivals)


ENDED = ("process-instance.completed", "process-instance.terminated")


async def live(office):
    """Let one instance see everything, and cancel another; return both keys."""
    answer = await office.engine.deploy(
        {name: (MODELS / name).read_bytes() for name in NAMES}
    )
    (definition,) = (
        each["processDefinition"]["processDefinitionKey"]
        for each in answer["deployments"]
        if (each.get("processDefinition") or {}).get("resourceName") == NAMES[0]
    )
    ask = office.engine._ask
    keys = []
    for order in ("a", "b"):
        started = await office.engine.create_instance(
            definition, {"order": order, "amount": 250}
        )
        keys.append(str(started["processInstanceKey"]))
    await work(ask, office, keys)
    for order in ("a", "b"):
        message = {"name": "paid", "correlationKey": order, "timeToLive": 60_000}
        await ask("POST", "messages/publication", json=message)
    await ask("POST", "signals/broadcast", json={"signalName": "all"})
    first, second = keys
    task = str((await of(office, first, "USER_TASK", "CREATED"))["userTaskKey"])
    await office.engine.assign(task, "ann")
    await office.engine.unassign(task)
    await office.engine.update(task, {"priority": 10})
    await office.engine.complete(task, {"amount": 1})
    await of(office, second, "USER_TASK", "CREATED")
    await office.engine.cancel_instance(second)
    return first, second


async def work(ask, office, keys):
    """Fail the first job until there is an incident, resolve it, and do both."""
    (job, *others) = await activated(ask, count=2)
    key = job["jobKey"] if "jobKey" in job else job["key"]
    failure = {"retries": 0, "errorMessage": "no seat"}
    await ask("POST", f"jobs/{key}/failure", json=failure)
    instance = str(job["processInstanceKey"])
    assert instance in keys
    incident = await of(office, instance, "INCIDENT", "CREATED")
    await ask("PATCH", f"jobs/{key}", json={"changeset": {"retries": 1}})
    await ask("POST", f"incidents/{incident['id']}/resolution", json={})
    for each in [*others, *await activated(ask, count=1)]:
        key = each["jobKey"] if "jobKey" in each else each["key"]
        await ask("POST", f"jobs/{key}/completion", json={"variables": {"seat": 7}})


async def activated(ask, *, count):
    """Return so many jobs, once a worker may have them."""
    found = []
    while len(found) < count:
        body = {"type": "book", "timeout": 60_000, "maxJobsToActivate": count}
        answer = await ask("POST", "jobs/activation", json=body)
        found += answer["jobs"]
    return found


async def of(office, instance, value_type, intent):
    """Wait for an event of this kind in the instance, and return it."""

    def found():
        events = [each.event for each in office.backend.arrivals]
        return [
            event
            for event in events
            if (event["type"], event["intent"]) == (value_type, intent)
            and event.get("processInstanceKey") == instance
        ]

    return (await eventually(found, within=PATIENCE))[0]


def mapped(recorder):
    """Return the event of every record in the log, by its identity."""
    mapper = Mapper({"default": Selection(EVERYTHING)})
    lines = [json.dumps(each.record).encode() for each in list(recorder.records)]
    events = [event for line in lines if (event := mapper.event(line))]
    return {event.identity: event for event in events}


def schema(kind):
    """Return what checks events of this *kind*."""
    text = (DOCS / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def in_order(arrivals):
    """Hold the arrivals of each process instance against the order of the log."""
    of_instances = [each for each in arrivals if "processInstanceKey" in each.event]
    of_instances.sort(key=lambda each: each.instance)
    for _, group in groupby(of_instances, key=lambda each: each.instance):
        positions = [each.position for each in group]
        assert positions == sorted(positions)
