"""
What is done in an engine so that every kind of event happens, and what must arrive.

All models are those of the recordings, so that both engines can run them. A recording
is of one run: the recorded engine of a version knows a part of these stories.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from devkit.client import CommandError
from devkit.waiting import eventually
from tests.integration.engine import PATIENCE

HOUR_MS = 3_600_000
MODELS = sorted(Path(__file__).with_name("models").iterdir())


class Story(NamedTuple):
    """What is done in one instance, and the kinds of its events in their order."""

    play: Callable
    """A coroutine function of the engine; it returns the instance's key."""
    told: str
    """`+` stands before what happens from 8.8 on only, `a|b` for one of two."""
    recorded: str = "8.6 8.8 8.9 8.10"
    """The versions whose recording has it."""
    since: tuple[int, int] = (8, 6)


async def job(engine, instance, job_type, *, timeout_ms=HOUR_MS):
    """Activate a job of the instance as a worker does; return its key."""
    body = {"type": job_type, "timeout": timeout_ms, "maxJobsToActivate": 10}

    async def activated():
        jobs = (await engine.client.ask("POST", "jobs/activation", json=body))["jobs"]
        # The key's name and form changed with 8.8.
        return [
            each.get("jobKey") or each["key"]
            for each in jobs
            if str(each["processInstanceKey"]) == instance
        ]

    return (await eventually(activated, within=PATIENCE))[0]


async def finish(engine, instance, job_type, variables=None, **result):
    """Complete a job of the instance; *result* is what a task listener answers."""
    body = {"variables": variables or {}}
    if result:
        body["result"] = {"type": "userTask", "denied": False, **result}
    key = await job(engine, instance, job_type)
    await engine.client.ask("POST", f"jobs/{key}/completion", json=body)


async def fail(engine, instance, job_type, *, retries):
    """Let a worker fail with a job of the instance; return the job's key."""
    key = await job(engine, instance, job_type)
    body = {"retries": retries, "errorMessage": "no seat"}
    await engine.client.ask("POST", f"jobs/{key}/failure", json=body)
    return key


async def of(engine, key, value_type, intent, field="processInstanceKey"):
    """Wait for an event of this type and intent with *key*, and return the newest."""

    def found():
        events = (each.event for each in engine.backend.arrivals)
        words = (value_type, intent, key)
        return [e for e in events if (e["type"], e["intent"], e.get(field)) == words]

    return (await eventually(found, within=PATIENCE))[-1]


async def task(engine, instance):
    """Return the key of the instance's user task, once it is created."""
    return (await of(engine, instance, "USER_TASK", "CREATED"))["userTaskKey"]


async def invoice(engine):
    """Work on a task and on a job, which fails once, and on the task of a child."""
    variables = {"assignee": "demo", "amount": 99.5}
    instance = await engine.create("fx-invoice", variables)
    approve, client = await task(engine, instance), engine.client
    await client.assign(approve, "bob")
    changes = {"candidateGroups": ["x"], "dueDate": "2026-12-24T00:00:00Z"}
    if engine.version < (8, 8):  # as it was recorded
        changes |= {"candidateUsers": ["u1"], "followUpDate": "2026-12-20T00:00:00Z"}
    await client.update(approve, changes | {"priority": 80})
    await client.unassign(approve)
    await client.assign(approve, "ann", override=False)
    await client.complete(approve, {"ok": True})
    await fail(engine, instance, "book-invoice", retries=1)
    await finish(engine, instance, "book-invoice", {"booked": "2026-11-23"})
    words = "PROCESS_INSTANCE", "ELEMENT_ACTIVATED", "parentProcessInstanceKey"
    started = await of(engine, instance, *words)
    await client.complete(await task(engine, started["processInstanceKey"]))
    return instance


async def cancelled(engine):
    """Cancel an instance with a task."""
    instance = await engine.create("fx-invoice", {"assignee": "demo", "amount": 1})
    await task(engine, instance)
    await engine.client.cancel_instance(instance)
    return instance


async def timed_out(engine):
    """Let a job time out, and complete it then."""
    instance = await engine.create("fx-invoice", {"assignee": "demo", "amount": 1})
    await engine.client.complete(await task(engine, instance), {"ok": True})
    await fail(engine, instance, "book-invoice", retries=1)
    await job(engine, instance, "book-invoice", timeout_ms=100)
    await of(engine, instance, "JOB", "TIMED_OUT")
    return instance


async def incident(engine):
    """Let a worker fail for good, and repair that."""
    instance, client = await engine.create("fx-err"), engine.client
    failed = await fail(engine, instance, "err-work", retries=0)
    key = (await of(engine, instance, "INCIDENT", "CREATED"))["id"]
    await client.ask("PATCH", f"jobs/{failed}", json={"changeset": {"retries": 1}})
    await client.ask("POST", f"incidents/{key}/resolution", json={})
    await finish(engine, instance, "err-work")
    return instance


async def given_up(engine):
    """Let a worker fail for good, and cancel the instance."""
    instance = await engine.create("fx-err")
    await fail(engine, instance, "err-work", retries=0)
    await of(engine, instance, "INCIDENT", "CREATED")
    await engine.client.cancel_instance(instance)
    return instance


async def error(engine):
    """Let a worker throw an error that the process catches."""
    instance = await engine.create("fx-err")
    key = await job(engine, instance, "err-work")
    thrown = {"errorCode": "BAD_INVOICE", "errorMessage": "no supplier"}
    await engine.client.ask("POST", f"jobs/{key}/error", json=thrown)
    return instance


async def expression(engine):
    """Let a gateway fail for want of a variable."""
    return await engine.create("fx-inc")


async def reviewers(engine):
    """Create a task for each of several people."""
    return await engine.create("fx-mi", {"reviewers": ["r1", "r2"]})


async def events(engine):
    """Wait for a message, a timer and a signal."""
    instance = await engine.create("fx-msg", {"orderId": "o-7"})
    await of(engine, instance, "PROCESS_MESSAGE_SUBSCRIPTION", "CREATED")
    paid = {"name": "payment", "correlationKey": "o-7", "timeToLive": HOUR_MS}
    await engine.client.ask("POST", "messages/publication", json=paid)
    await of(engine, instance, "TIMER", "TRIGGERED")
    signal = {"signalName": "release", "variables": {}}
    await engine.client.ask("POST", "signals/broadcast", json=signal)
    return instance


async def started_by_message(engine):
    """Start an instance by a message, which expires at once."""
    order = {"name": "new-order", "correlationKey": "", "timeToLive": 0}
    await engine.client.ask("POST", "messages/publication", json=order)

    words = "PROCESS_INSTANCE", "ELEMENT_ACTIVATED", "processDefinitionId"
    return (await of(engine, "fx-msgstart", *words))["processInstanceKey"]


async def timers(engine):
    """Let time pass: a timer reminds, another one ends the task."""
    instance = await engine.create("fx-timer")
    await of(engine, instance, "USER_TASK", "CANCELED")
    return instance


async def decision(engine):
    """Ask for a decision, after an escalation that nothing catches."""
    return await engine.create("fx-esc", {"amount": 250})


async def listeners(engine):
    """Deny an update, an assignment and a completion by listeners of the task."""
    instance, client = await engine.create("fx-tl"), engine.client
    await finish(engine, instance, "tl-creating", corrections={"priority": 99})
    await finish(engine, instance, "tl-assigning", corrections={"assignee": "dora"})
    key = await task(engine, instance)
    no = {"denied": True, "deniedReason": "not today"}
    await client.update(key, {"priority": 10})
    await finish(engine, instance, "tl-updating", **no)
    await client.assign(key, "eve")
    await finish(engine, instance, "tl-assigning", **no)
    await client.complete(key)
    await finish(engine, instance, "tl-completing", **no)
    await client.complete(key)
    await finish(engine, instance, "tl-completing", denied=False)
    return instance


async def migrated(engine):
    """Let a task go on in another process."""
    target = (await engine.deploy("fx-mig2"))["mig2.bpmn"]["processDefinitionKey"]
    instance = await engine.create("fx-mig")
    key = await task(engine, instance)
    plan = {
        "targetProcessDefinitionKey": target,
        "mappingInstructions": [{"sourceElementId": "a", "targetElementId": "b"}],
    }
    path = f"process-instances/{instance}/migration"
    await engine.client.ask("POST", path, json=plan)
    await engine.client.complete(key)
    return instance


async def execution_listener(engine):
    """Complete the job of a listener, which isn't told, and the task's own."""
    instance = await engine.create("fx-lst")
    await finish(engine, instance, "el-start")
    await finish(engine, instance, "lst-work")
    return instance


async def old_task(engine):
    """Complete a user task of the old kind, which is a job."""
    instance = await engine.create("fx-legacy")
    await finish(engine, instance, "io.camunda.zeebe:userTask")
    return instance


async def ad_hoc(engine):
    """Complete a task in an ad-hoc subprocess."""
    instance = await engine.create("fx-adhoc")
    await engine.client.complete(await task(engine, instance))
    return instance


async def everything(engine):
    """Do what nobody recorded: a decision fails, a message expires."""
    client = engine.client
    await client.deploy({each.name: each.read_bytes() for each in MODELS})
    instance = await engine.create("everything", {"order": "a", "amount": 250})
    key = await job(engine, instance, "book")
    await client.ask("PATCH", f"jobs/{key}", json={"changeset": {"retries": 1}})
    await client.ask("POST", f"jobs/{key}/completion", json={"variables": {"seat": 7}})
    for name, order, kept_ms in (("paid", "a", HOUR_MS), ("lost", "", 0)):
        message = {"name": name, "correlationKey": order, "timeToLive": kept_ms}
        await client.ask("POST", "messages/publication", json=message)
    question = {"decisionDefinitionId": "everything-unsure"}
    with suppress(CommandError):  # some versions answer that it failed, others refuse
        body = question | {"variables": {"amount": 250}}
        await client.ask("POST", "decision-definitions/evaluation", json=body)
    await client.complete(await task(engine, instance), {"amount": 1})
    return instance


EVERYTHING = Story(
    everything,
    "process-instance.started job.created job.updated job.completed decision.evaluated "
    "message-subscription.created message-subscription.correlated timer.created "
    "timer.triggered escalation.not-escalated escalation.escalated timer.created "
    "user-task.created user-task.completed timer.canceled process-instance.completed",
    recorded="",
)
CREATED = "process-instance.started user-task.created +user-task.assigned"
FAILED = "process-instance.started job.created job.failed incident.created"
STORIES = {
    "fx-invoice": Story(
        invoice,
        f"{CREATED} user-task.assigned user-task.updated user-task.unassigned "
        "user-task.assigned user-task.completed job.created job.failed job.completed "
        "process-instance.completed",
    ),
    "fx-invoice, cancelled": Story(
        cancelled, f"{CREATED} user-task.canceled process-instance.terminated"
    ),
    "fx-invoice, timed out": Story(
        timed_out,
        f"{CREATED} user-task.completed job.created job.failed job.timed-out",
        recorded="8.6 8.8",
    ),
    "fx-err": Story(
        incident,
        f"{FAILED} job.retries-updated|job.updated incident.resolved job.completed "
        "process-instance.completed",
    ),
    "fx-err, cancelled": Story(
        given_up,
        f"{FAILED} job.canceled incident.resolved process-instance.terminated",
        recorded="8.6",
    ),
    "fx-err, thrown": Story(
        error,
        "process-instance.started job.created job.error-thrown "
        "process-instance.completed",
        recorded="8.6 8.8",
    ),
    "fx-inc": Story(expression, "process-instance.started incident.created"),
    "fx-mi": Story(
        reviewers,
        f"{CREATED} user-task.created +user-task.assigned",
        recorded="8.8 8.9 8.10",
    ),
    "fx-msg": Story(
        events,
        "process-instance.started message-subscription.created "
        "message-subscription.correlated timer.created timer.triggered "
        "process-instance.completed",
        recorded="8.6 8.8",
    ),
    "fx-msgstart": Story(
        started_by_message,
        "process-instance.started process-instance.completed",
        recorded="8.6 8.8",
    ),
    "fx-timer": Story(
        timers,
        "process-instance.started timer.created timer.created user-task.created "
        "timer.triggered timer.triggered user-task.canceled "
        "process-instance.completed",
        recorded="8.6 8.8",
    ),
    "fx-esc": Story(
        decision,
        "process-instance.started escalation.not-escalated decision.evaluated "
        "process-instance.completed",
    ),
    "fx-tl": Story(
        listeners,
        "process-instance.started user-task.created user-task.assigned "
        "user-task.update-denied user-task.assignment-denied "
        "user-task.completion-denied user-task.completed process-instance.completed",
        recorded="8.8 8.9 8.10",
        since=(8, 8),
    ),
    "fx-mig": Story(
        migrated,
        "process-instance.started user-task.created user-task.migrated "
        "user-task.completed process-instance.completed",
        recorded="8.6 8.8",
    ),
    "fx-lst": Story(
        execution_listener,
        "process-instance.started job.created job.completed process-instance.completed",
    ),
    "fx-legacy": Story(
        old_task,
        "process-instance.started job.created job.completed process-instance.completed",
        recorded="8.6 8.8",
    ),
    "fx-adhoc": Story(
        ad_hoc,
        "process-instance.started user-task.created user-task.completed "
        "process-instance.completed",
        recorded="8.8 8.9 8.10",
        since=(8, 8),
    ),
}
