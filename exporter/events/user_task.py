"""
User tasks, exactly as the official exporter sends them.

That goes for the kinds it knows; others have a field more. The order of the fields is
part of the format.
"""

from exporter.events.event_type import EventType, Kind
from exporter.events.fields import (
    OF_ELEMENT,
    OF_PROCESS,
    OLDEST,
    PROCESS_DEFINITION_VERSION,
    PROCESS_INSTANCE_KEY,
    Field,
    Form,
    fields_of,
    instant,
    items,
    key,
    number,
    pairs,
    text,
)
from exporter.events.record import Value

PRIORITY_BEFORE_8_6 = 50

# The official exporter prints -1, the engine's word for "none", as any other number.
CREATED_AT = Field(
    "createdAt",
    Form.MOMENT,
    "When it was created; `1969-12-31T23:59:59.999Z` when the record doesn't say.",
    "value.creationTimestamp",
    OLDEST,
    lambda _, value: instant(value.number("creationTimestamp"), "creationTimestamp"),
)
CHANGED = items(
    "changedAttributes", "What was changed, in the engine's words, like `dueDate`."
)
DENIED = text("deniedReason", "The reason that the listener gave.", since="8.8")


def is_assigned(value: Value) -> bool:
    """Whether somebody has the task."""
    return bool(value.text("assignee"))


def is_unassigned(value: Value) -> bool:
    """Whether nobody has the task."""
    return not is_assigned(value)


USER_TASK = EventType(
    "user-task",
    "USER_TASK",
    "A Camunda user task (`zeebe:userTask` in the model). Job-based ones are jobs of "
    "the type `io.camunda.zeebe:userTask`.",
    fields=fields_of(
        "The task's key: the same for all events of a task.",
        key("userTaskKey", "The task's key again."),
        items("tags", "Tags of the process instance.", since="8.9"),
        pairs("customHeaders", "The task's headers in the model."),
        text("assignee", "Who has it."),
        items("candidateGroups", "Groups that may take it.", "candidateGroupsList"),
        items("candidateUsers", "Users that may take it.", "candidateUsersList"),
        text("externalFormReference", "A form that isn't Camunda's."),
        number(
            "priority",
            f"0 to 100; {PRIORITY_BEFORE_8_6} before there were any.",
            default=PRIORITY_BEFORE_8_6,
            since="8.6",
        ),
        key("formKey", "The deployed form."),
        CREATED_AT,
        text(
            "dueDate",
            "When it is due, as it was written: `2026-12-01T10:00Z`, "
            "`2026-12-24T00:00:00+01:00[Europe/Berlin]`.",
        ),
        text("followUpDate", "When to look again, in the same form."),
        *OF_PROCESS,
        PROCESS_DEFINITION_VERSION,
        PROCESS_INSTANCE_KEY,
        *OF_ELEMENT,
    ),
    kinds=(
        Kind(
            "created",
            "CREATED",
            "It can be worked on. From 8.8 on the assignee of its model follows in an "
            "event of its own.",
            default=True,
        ),
        Kind("assigned", "ASSIGNED", "Somebody has it.", is_assigned, default=True),
        Kind(
            "unassigned",
            "ASSIGNED",
            "Nobody has it any more: `assignee` is empty.",
            is_unassigned,
            default=True,
        ),
        Kind("updated", "UPDATED", "Some of it was changed.", extra=(CHANGED,)),
        Kind("completed", "COMPLETED", "It is done.", default=True, ends=True),
        Kind(
            "canceled",
            "CANCELED",
            "It need not be done: its process instance was cancelled, or went on "
            "without it.",
            default=True,
            ends=True,
        ),
        Kind(
            "migrated",
            "MIGRATED",
            "Its process instance goes on in another version or process.",
        ),
        Kind(
            "assignment-denied",
            "ASSIGNMENT_DENIED",
            "A listener refused an assignment; the task is as it was.",
            extra=(DENIED,),
            since="8.8",
        ),
        Kind(
            "update-denied",
            "UPDATE_DENIED",
            "A listener refused a change; the task is as it was.",
            extra=(DENIED,),
            since="8.8",
        ),
        Kind(
            "completion-denied",
            "COMPLETION_DENIED",
            "A listener refused the completion; the task is as it was.",
            extra=(DENIED,),
            since="8.8",
        ),
    ),
)
