"""A process in which everything happens, and what is to be told of it."""

import json
from itertools import groupby

import jsonschema

from exporter.events import CATALOG
from scripts.docs import DOCS
from tests.conftest import eventually
from tests.integration.office import MODELS, PATIENCE

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


def kinds_of(event):
    """Return what *event* may be, by its words and its fields."""
    names = {
        each.name_of(kind)
        for each in CATALOG
        for kind in each.kinds
        if (each.value_type, kind.intent) == (event["type"], event["intent"])
    }
    return {
        name
        for name in names
        if schema(name).schema["properties"].keys() == event.keys()
    }
