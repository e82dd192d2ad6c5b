"""
User tasks, exactly as the official exporter sends them.

Keys travel as strings, because JavaScript rounds integers above 2**53. The order of
the fields is part of the format.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from exporter.events.record import Record, UnmappableError

INTENTS = frozenset({"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"})

PRIORITY_BEFORE_8_6 = 50

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def body(record: Record) -> dict[str, Any]:
    """Return the event of a user task *record*; `UnmappableError` when it can't be."""
    value = record.value
    return {
        # The key of the record is the task's: the same for all events of a task.
        "id": str(record.number("key")),
        "intent": record.word("intent"),
        "type": record.word("valueType"),
        "userTaskKey": str(value.number("userTaskKey")),
        "tags": value.items("tags"),
        "customHeaders": value.pairs("customHeaders"),
        "assignee": value.text("assignee"),
        "candidateGroups": value.items("candidateGroupsList"),
        "candidateUsers": value.items("candidateUsersList"),
        "externalFormReference": value.text("externalFormReference"),
        "priority": value.number("priority", PRIORITY_BEFORE_8_6),
        "formKey": str(value.number("formKey")),
        "createdAt": instant(value.number("creationTimestamp")),
        "dueDate": value.text("dueDate"),
        "followUpDate": value.text("followUpDate"),
        "processDefinitionKey": str(value.number("processDefinitionKey")),
        "processDefinitionId": value.text("bpmnProcessId"),
        "processDefinitionVersion": str(value.number("processDefinitionVersion")),
        "processInstanceKey": str(value.number("processInstanceKey")),
        "elementId": value.text("elementId"),
        "elementInstanceKey": str(value.number("elementInstanceKey")),
        "tenantId": value.text("tenantId"),
    }


def instant(milliseconds: int) -> str:
    """Return *milliseconds* since 1970 as `java.time.Instant` prints them."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        second = _second(seconds)
    except OverflowError as error:
        raise UnmappableError("creationTimestamp is no time of this era") from error
    return f"{second}.{rest:03}Z" if rest else f"{second}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    # Many tasks are created in one second, and each is told of several times.
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
