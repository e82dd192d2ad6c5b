"""What happens to user tasks in a real engine reaches the backend, as it happened."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import eventually
from tests.integration.office import APPROVAL, LIFE, MODELS, VARIABLES

WITH_FORM = MODELS / "with-form.bpmn"
FORM = MODELS / "details.form"


async def approval(office, **changes):
    """Start one approval; return the engine's answer and the instance's key."""
    deployed = await office.deploy(APPROVAL)
    answer = await office.engine.create_instance(
        deployed[APPROVAL.name]["processDefinitionKey"], VARIABLES | changes
    )
    return answer, str(answer["processInstanceKey"])


def java_instant(milliseconds):
    """Return a point in time as the backend is told: no fraction when it's zero."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


async def test_every_field(office, recorder):
    """Each field of an event is what the engine's API and the engine's log say."""
    answer, instance = await approval(office)
    created = await office.event(instance, "CREATED")

    [record] = await eventually(lambda: recorder.of(instance, "CREATED"))
    assert list(created.event.items()) == [
        ("id", str(record["key"])),
        ("intent", "CREATED"),
        ("type", "USER_TASK"),
        ("userTaskKey", str(record["key"])),
        ("tags", []),
        ("customHeaders", {"app": "teams", "ключ": "значение ✅"}),
        ("assignee", "demo"),
        ("candidateGroups", ["sales", "größte Gruppe"]),
        ("candidateUsers", ["ann", "日本語"]),
        ("externalFormReference", "https://forms.example/approve?x=1"),
        ("priority", 75),
        ("formKey", "-1"),
        ("createdAt", java_instant(record["value"]["creationTimestamp"])),
        ("dueDate", "2026-12-01T10:00Z"),
        ("followUpDate", "2026-11-30T10:00+01:00"),
        ("processDefinitionKey", str(answer["processDefinitionKey"])),
        ("processDefinitionId", answer["processDefinitionId"]),
        ("processDefinitionVersion", str(answer["processDefinitionVersion"])),
        ("processInstanceKey", str(answer["processInstanceKey"])),
        ("elementId", "approve"),
        ("elementInstanceKey", str(record["value"]["elementInstanceKey"])),
        ("tenantId", answer["tenantId"]),
    ]
    assert created.identity == f"1-{record['position']}-{record['timestamp']}"


async def test_full_life(office):
    """Assign, unassign, update, complete: each is told, with what it changed."""
    _, instance = await approval(office)
    task = (await office.event(instance, "CREATED")).task
    await office.engine.assign(task, "ann")
    await office.engine.unassign(task)
    await office.engine.update(
        task, {"candidateGroups": ["support"], "priority": 10, "dueDate": ""}
    )
    await office.engine.assign(task, "ben")
    await office.engine.complete(task, {"approved": True})
    await office.event(instance, "COMPLETED")

    told = [arrival.event for arrival in office.told(instance)]
    assert {event["id"] for event in told} == {task}
    assert [
        (
            event["intent"],
            event["assignee"],
            event["candidateGroups"],
            event["priority"],
            event["dueDate"],
        )
        for event in told
    ] == [
        ("CREATED", "demo", ["sales", "größte Gruppe"], 75, "2026-12-01T10:00Z"),
        ("ASSIGNED", "ann", ["sales", "größte Gruppe"], 75, "2026-12-01T10:00Z"),
        ("ASSIGNED", "", ["sales", "größte Gruppe"], 75, "2026-12-01T10:00Z"),
        ("ASSIGNED", "ben", ["support"], 10, ""),
        ("COMPLETED", "ben", ["support"], 10, ""),
    ]


async def test_cancel(office):
    """A task that ends with its canceled instance is told as canceled."""
    answer, instance = await approval(office, assignee="")
    await office.event(instance, "CREATED")
    await office.engine.cancel_instance(answer["processInstanceKey"])
    await office.event(instance, "CANCELED")

    assert office.histories([instance]) == {instance: ["CREATED", "CANCELED"]}


async def test_linked_form(office):
    """The event names the form the way the engine's deployment named it."""
    deployed = await office.deploy(WITH_FORM, FORM)
    answer = await office.engine.create_instance(
        deployed[WITH_FORM.name]["processDefinitionKey"]
    )
    created = await office.event(str(answer["processInstanceKey"]), "CREATED")

    assert created.event["formKey"] == str(deployed[FORM.name]["formKey"])
    assert created.event["externalFormReference"] == ""


@pytest.mark.parametrize(
    "given, told",
    [
        ("2026-12-01T10:00:00Z", "2026-12-01T10:00Z"),
        ("2026-12-01T10:00:30+01:00", "2026-12-01T10:00:30+01:00"),
        (
            "2026-12-24T00:00:00+01:00[Europe/Berlin]",
            "2026-12-24T00:00+01:00[Europe/Berlin]",
        ),
    ],
)
async def test_due_dates(office, given, told):
    """Dates arrive in the engine's own spelling, whichever that is."""
    _, instance = await approval(office, due=given)
    created = await office.event(instance, "CREATED")
    await office.engine.update(created.task, {"dueDate": given})
    await office.engine.complete(created.task)
    completed = await office.event(instance, "COMPLETED")

    assert created.event["dueDate"] == told
    assert completed.event["dueDate"] == given


async def test_new_version(office):
    """After another deployment new instances carry its version, old ones theirs."""
    _, before = await approval(office)
    first = await office.event(before, "CREATED")
    changed = APPROVAL.read_bytes().replace(b"Approval", b"Approval, revised")
    deployed = await office.engine.deploy({APPROVAL.name: changed})
    revised = deployed["deployments"][0]["processDefinition"]
    answer = await office.engine.create_instance(
        revised["processDefinitionKey"], VARIABLES
    )
    second = await office.event(str(answer["processInstanceKey"]), "CREATED")
    await office.engine.complete(first.task)
    completed = await office.event(before, "COMPLETED")

    versions = [
        int(each.event["processDefinitionVersion"])
        for each in (first, second, completed)
    ]
    version = revised["processDefinitionVersion"]
    assert versions == [version - 1, version, version - 1]


@pytest.mark.usefixtures("workers")
async def test_two_hundred_at_once(office):
    """Two hundred tasks live at the same time: none is missing, each in its order."""
    instances = await office.review(200)
    await office.all_told(instances, LIFE)

    assert office.histories(instances) == dict.fromkeys(instances, LIFE)
    identities = office.identities(instances)
    assert len(identities) == len(set(identities))
