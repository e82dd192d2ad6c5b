"""A process in which everything happens, and what is to be told of it."""

import asyncio
import json
from contextlib import suppress
from itertools import groupby

import jsonschema

from exporter.demo.errors import EngineError
from exporter.events import CATALOG
from scripts.docs import DOCS
from tests.conftest import eventually
from tests.integration.office import APPROVAL, MODELS, PATIENCE, VARIABLES

NAMES = ("everything.bpmn", "everything-child.bpmn", "everything.dmn")
WAIT_MS = 60_000

# Listeners that deny come with 8.8, and retries alone change over gRPC only.
ELSEWHERE = {
    "user-task.assignment-denied",
    "user-task.update-denied",
    "user-task.completion-denied",
    "job.retries-updated",
}
HAPPENED = {each.name_of(kind) for each in CATALOG for kind in each.kinds} - ELSEWHERE


UP_TO_THE_TASK = """
    job.completed decision.evaluated
    message-subscription.created message-subscription.correlated
    timer.created timer.triggered escalation.not-escalated escalation.escalated
    timer.created user-task.created
"""
STORIES = (
    f"""
    process-instance.started job.created job.timed-out
    job.failed incident.created job.updated incident.resolved
    {UP_TO_THE_TASK}
    user-task.assigned user-task.unassigned user-task.updated user-task.completed
    timer.canceled process-instance.completed
    """,
    f"""
    process-instance.started job.created job.timed-out
    {UP_TO_THE_TASK}
    user-task.migrated timer.canceled user-task.canceled process-instance.terminated
    """,
    """
    process-instance.started job.created job.timed-out
    job.error-thrown process-instance.completed
    """,
    """
    process-instance.started job.created job.timed-out
    job.canceled process-instance.terminated
    """,
)
"""What happens in each of four instances, in order; told by hand."""


async def live(office):
    """
    Let everything happen in four instances; return their keys.

    The first sees it all through, the second goes over to another process and is
    cancelled there, the third is turned away, and the fourth is cancelled at once.
    """
    models = [*(MODELS / name for name in NAMES), APPROVAL]
    deployed = await office.deploy(*models)
    definition = deployed[NAMES[0]]["processDefinitionKey"]
    keys = []
    for order in ("a", "b", "c", "d"):
        variables = {**VARIABLES, "order": order, "amount": 250}
        started = await office.engine.create_instance(definition, variables)
        keys.append(str(started["processInstanceKey"]))
    await work(office, keys)
    await decide(office)
    await announce(office)
    first, second, *_ = keys
    task = str((await of(office, first, "USER_TASK", "CREATED"))["userTaskKey"])
    await office.engine.assign(task, "ann")
    await office.engine.unassign(task)
    await office.engine.update(task, {"priority": 10})
    await office.engine.complete(task, {"amount": 1})
    await of(office, second, "USER_TASK", "CREATED")
    await migrate(office, second, deployed[APPROVAL.name]["processDefinitionKey"])
    await office.engine.cancel_instance(second)
    return keys


async def work(office, keys):
    """Take too long for all jobs, fail the first, and let each end in another way."""
    first, second, third, fourth = keys
    await jobs(office, keys, timeout_ms=100)
    for instance in keys:
        await of(office, instance, "JOB", "TIMED_OUT")
    job = await jobs(office, keys, timeout_ms=WAIT_MS)
    ask = office.engine.ask
    failure = {"retries": 0, "errorMessage": "no seat"}
    await ask("POST", f"jobs/{job[first]}/failure", json=failure)
    incident = await of(office, first, "INCIDENT", "CREATED")
    await ask("PATCH", f"jobs/{job[first]}", json={"changeset": {"retries": 1}})
    await ask("POST", f"incidents/{incident['id']}/resolution", json={})
    await jobs(office, [first], timeout_ms=WAIT_MS)
    for instance in (first, second):
        seat = {"variables": {"seat": 7}}
        await ask("POST", f"jobs/{job[instance]}/completion", json=seat)
    full = {"errorCode": "FULL", "errorMessage": "no seat at all"}
    await ask("POST", f"jobs/{job[third]}/error", json=full)
    await office.engine.cancel_instance(fourth)


async def jobs(office, instances, *, timeout_ms):
    """Return the key of each instance's job, once a worker has all of them."""
    found = {}
    async with asyncio.timeout(PATIENCE):
        while not found.keys() >= set(instances):
            body = {"type": "book", "timeout": timeout_ms, "maxJobsToActivate": 10}
            answer = await office.engine.ask("POST", "jobs/activation", json=body)
            # The key's name and form changed with 8.8.
            found |= {
                str(each["processInstanceKey"]): each.get("jobKey") or each["key"]
                for each in answer["jobs"]
            }
    return found


async def decide(office):
    """Ask for a decision that two rules claim, though one may."""
    question = {
        "decisionDefinitionId": "everything-unsure",
        "variables": {"amount": 250},
    }
    with suppress(EngineError):  # some versions answer that it failed, others refuse
        await office.engine.ask(
            "POST", "decision-definitions/evaluation", json=question
        )


async def announce(office):
    """Pay for the first two orders, say something that nobody hears, and signal."""
    ask = office.engine.ask
    for name, order, kept_ms in (
        ("paid", "a", WAIT_MS),
        ("paid", "b", WAIT_MS),
        ("lost", "", 0),
    ):
        message = {"name": name, "correlationKey": order, "timeToLive": kept_ms}
        await ask("POST", "messages/publication", json=message)
    await ask("POST", "signals/broadcast", json={"signalName": "all"})


async def migrate(office, instance, definition):
    """Let the task of an *instance* go on in another process."""
    same = {"sourceElementId": "approve", "targetElementId": "approve"}
    plan = {"targetProcessDefinitionKey": definition, "mappingInstructions": [same]}
    path = f"process-instances/{instance}/migration"
    await office.engine.ask("POST", path, json=plan)


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


def kind_of(event):
    """Return what *event* tells of, by its words and what else tells kinds apart."""
    words = event["type"], event["intent"]
    if words == ("USER_TASK", "ASSIGNED"):
        return "user-task.assigned" if event["assignee"] else "user-task.unassigned"
    whole = event.get("elementType") == "PROCESS"
    (name,) = (
        each.name_of(kind)
        for each in CATALOG
        for kind in each.kinds
        if (each.value_type, kind.intent) == words
        and (each.name == "process-instance") is whole
    )
    return name


def told_of(events, instance):
    """Return what was told of an *instance*, but for its steps and variables."""
    kinds = [kind_of(e) for e in events if e.get("processInstanceKey") == instance]
    return [each for each in kinds if not each.startswith(("step.", "variable."))]


def as_it_was(events, keys):
    """Hold *events* against what was done to the instances with these *keys*."""
    for instance, story in zip(keys, STORIES, strict=True):
        assert told_of(events, instance) == story.split()
    one = {
        kind_of(each): each
        for each in events
        if each.get("processInstanceKey", "-1") in (keys[0], "-1")
    }
    children = [
        each
        for each in events
        if kind_of(each) == "process-instance.started"
        and each["processDefinitionId"] == "everything-child"
    ]
    parents = {each["parentProcessInstanceKey"] for each in children}
    assert parents == set(keys[:2])
    assert one["incident.created"]["jobKey"] == one["job.failed"]["id"]
    assert one["incident.created"]["errorMessage"] == "no seat"
    assert one["job.updated"]["changedAttributes"] == ["retries"]
    assert one["decision.evaluated"]["decisionOutput"] == '"high"'
    assert one["decision.failed"]["failedDecisionId"] == "everything-unsure"
    assert one["escalation.escalated"]["catchElementId"] == "helped"
    assert one["timer.canceled"]["elementId"] == "overdue"
    assert one["user-task.assigned"]["assignee"] == "ann"
    assert one["user-task.updated"]["changedAttributes"] == ["priority"]
    assert one["user-task.updated"]["priority"] == 10
    assert one["message.expired"]["messageName"] == "lost"
