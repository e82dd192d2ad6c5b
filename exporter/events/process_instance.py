"""Process instances: from their start to their end."""

from exporter.events.event_type import EventType, Kind
from exporter.events.fields import (
    INTENT,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    items,
    key,
    text,
)
from exporter.events.record import Value

VERSION = key(
    "processDefinitionVersion", "The version of the deployed process.", "version"
)
TAGS = items("tags", "Tags of the process instance.", since="8.8")


def is_process(value: Value) -> bool:
    """Whether the element is a whole process."""
    return value.text("bpmnElementType") == "PROCESS"


PROCESS_INSTANCE = EventType(
    "process-instance",
    "PROCESS_INSTANCE",
    "A process instance, also one that a call activity started.",
    fields=(
        identifier("The process instance's key: the same for all of its events."),
        INTENT,
        TYPE,
        text("elementType", "`PROCESS`, which no step is.", "bpmnElementType"),
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        VERSION,
        PROCESS_INSTANCE_KEY,
        key("parentProcessInstanceKey", "The process instance that called this one."),
        key("parentElementInstanceKey", "The instance of the call activity there."),
        key(
            "rootProcessInstanceKey",
            "The process instance at the top of all that called each other.",
            since="8.9",
        ),
        TAGS,
        text("businessId", "The business id it was started with.", since="8.9"),
        TENANT_ID,
    ),
    kinds=(
        Kind("started", "ELEMENT_ACTIVATED", "It runs."),
        Kind("completed", "ELEMENT_COMPLETED", "It reached its end.", ends=True),
        Kind(
            "terminated",
            "ELEMENT_TERMINATED",
            "It was cancelled, or the one that called it was.",
            ends=True,
        ),
        Kind("suspended", "SUSPENDED", "It waits until it is resumed.", since="8.10"),
        Kind("resumed", "RESUMED", "It goes on after a suspension.", since="8.10"),
    ),
    suits=is_process,
    element="",
)
