"""
The event type of user tasks, exactly as the official exporter sends them.

Kinds that the official exporter doesn't send have one more field. The order of the
fields is part of the format.
"""

from typing import Any

from exporter.events import fields as f
from exporter.events.event_type import EventType, Kind

PRIORITY_BEFORE_8_6 = 50

# The official exporter formats -1, which means "none" in the engine, like a time.
CREATED_AT = f.moment(
    "createdAt",
    "The time of creation; `1969-12-31T23:59:59.999Z` if unknown.",
    "creationTimestamp",
)._replace(convert=f.instant)
PRIORITY = f.number(
    "priority",
    f"0 to 100; always {PRIORITY_BEFORE_8_6} before 8.6.",
    since="8.6",
)._replace(default=PRIORITY_BEFORE_8_6)
CHANGED = f.items(
    "changedAttributes",
    "The changed attributes, in the engine's words, like `dueDate`.",
)
DENIED = f.text("deniedReason", "The reason given by the listener.", since="8.8")


def is_assigned(value: Any) -> bool:
    """Whether the task has an assignee."""
    return bool(value.assignee)


USER_TASK = EventType(
    "user-task",
    "USER_TASK",
    "A Camunda user task (`zeebe:userTask` in the model). Job-based user tasks "
    "are jobs of the type `io.camunda.zeebe:userTask`.",
    fields=f.fields_of(
        "The task's key: the same for all events of a task.",
        f.key("userTaskKey", "The task's key again."),
        f.items("tags", "Tags of the process instance.", since="8.9"),
        f.pairs("customHeaders", "The task's headers in the model."),
        f.text("assignee", "The user who works on the task."),
        f.items(
            "candidateGroups", "The groups that may claim it.", "candidateGroupsList"
        ),
        f.items("candidateUsers", "The users who may claim it.", "candidateUsersList"),
        f.text("externalFormReference", "The reference of an external form."),
        PRIORITY,
        f.key("formKey", "The deployed form."),
        CREATED_AT,
        f.text(
            "dueDate",
            "The due date as it was entered: `2026-12-01T10:00Z`, "
            "`2026-12-24T00:00:00+01:00[Europe/Berlin]`.",
        ),
        f.text("followUpDate", "The follow-up date, in the same form."),
        *f.OF_PROCESS,
        f.PROCESS_DEFINITION_VERSION,
        f.PROCESS_INSTANCE_KEY,
        *f.OF_ELEMENT,
    ),
    kinds=(
        Kind(
            "created",
            "CREATED",
            "The task was created. Since 8.8, an assignee in the model follows in "
            "an `assigned` event.",
            default=True,
        ),
        Kind(
            "assigned", "ASSIGNED", "The task was assigned.", is_assigned, default=True
        ),
        Kind(
            "unassigned",
            "ASSIGNED",
            "The assignee was removed: `assignee` is empty.",
            lambda value: not is_assigned(value),
            default=True,
        ),
        Kind("updated", "UPDATED", "Attributes were changed.", extra=(CHANGED,)),
        Kind("completed", "COMPLETED", "The task is done.", default=True, ends=True),
        Kind(
            "canceled",
            "CANCELED",
            "The task is no longer needed: its process instance was cancelled, or "
            "continued without it.",
            default=True,
            ends=True,
        ),
        Kind(
            "migrated",
            "MIGRATED",
            "The process instance was migrated to another process or version.",
        ),
        *(
            Kind(
                f"{what}-denied",
                f"{what.upper()}_DENIED",
                f"A listener denied the {what}; the task is unchanged.",
                extra=(DENIED,),
                since="8.8",
            )
            for what in ("assignment", "update", "completion")
        ),
    ),
)
