"""Events of user tasks reach the backend in order, with correct fields."""

import pytest

from tests.conftest import eventually
from tests.contract import promised
from tests.integration.engine import LIFE

INVOICE = "fx-invoice"
DUE = "2026-12-24T00:00:00+01:00[Europe/Berlin]"
GROUPS = ["sales", "größte Gruppe"]


@pytest.fixture
async def engine(start):
    """Return an engine with all events of user tasks selected."""
    async with start(environment={"APP_INTEGRATIONS_EVENTS": "user-task"}) as engine:
        yield engine


@pytest.fixture
async def deployed(engine):
    """Deploy a process with a task that has every field, and its form."""
    return await engine.deploy(INVOICE)


@pytest.fixture
async def instance(engine, deployed):  # noqa: ARG001 -- it must be deployed
    """Start one instance; return its key."""
    return await engine.create(INVOICE, {"assignee": "demo", "amount": 99.5})


async def test_every_field(engine, deployed, instance):
    """An event has the fields of its record, and the keys of the engine's API."""
    created = await engine.event(instance, "CREATED")

    [record] = await eventually(lambda: engine.log.of(instance, "CREATED"))
    definition, form = deployed["main.bpmn"], deployed["form.form"]
    assert list(created.event.items()) == list(promised(record).items())
    expected = {
        "customHeaders": {"app": "teams", "ключ": "значение ✅"},
        # From 8.8 on the task is assigned a moment later.
        "assignee": "demo" if engine.version < (8, 8) else "",
        "candidateGroups": GROUPS,
        "priority": 75,
        "formKey": str(form["formKey"]),
        "dueDate": "2026-12-01T10:00Z",
        "processDefinitionKey": str(definition["processDefinitionKey"]),
        "processDefinitionId": definition["processDefinitionId"],
        "processDefinitionVersion": str(definition["processDefinitionVersion"]),
        "processInstanceKey": instance,
        "tenantId": definition["tenantId"],
    }
    assert {name: created.event[name] for name in expected} == expected
    assert created.identity == f"1-{record['position']}-{record['timestamp']}"


async def test_full_life(engine, instance):
    """Events of assign, unassign, update and complete arrive with the changes."""
    task = (await engine.event(instance, "CREATED")).task
    await engine.client.assign(task, "ben")
    await engine.client.ask("DELETE", f"user-tasks/{task}/assignee")
    changes = {"candidateGroups": ["support"], "priority": 10, "dueDate": DUE}
    if engine.version < (8, 8):  # as recorded
        changes |= {"candidateUsers": ["u1"], "followUpDate": DUE}
    body = {"changeset": changes}
    await engine.client.ask("PATCH", f"user-tasks/{task}", json=body)
    await engine.client.assign(task, "ann")
    await engine.client.complete(task, {"ok": True, "comment": "ja"})
    await engine.event(instance, "COMPLETED")

    events = [arrival.event for arrival in engine.events_of(instance)]
    fields = ("intent", "assignee", "candidateGroups", "priority", "dueDate")
    before, after = (GROUPS, 75, "2026-12-01T10:00Z"), (["support"], 10, DUE)
    expected = [
        ("CREATED", "demo", *before),
        ("ASSIGNED", "ben", *before),
        ("ASSIGNED", "", *before),
        ("UPDATED", "", *after),
        ("ASSIGNED", "ann", *after),
        ("COMPLETED", "ann", *after),
    ]
    if engine.version >= (8, 8):
        expected[:1] = [("CREATED", "", *before), ("ASSIGNED", "demo", *before)]
    assert {event["id"] for event in events} == {task}
    assert [tuple(event[name] for name in fields) for event in events] == expected


async def test_two_hundred_at_once(engine):
    """All events of two hundred concurrent tasks arrive, in order per task."""
    async with engine.at_work():
        instances = await engine.tasks(200)
        await engine.all_arrived(instances, LIFE)

    assert engine.histories(instances) == dict.fromkeys(instances, LIFE)
    assert engine.repeats() == 0
