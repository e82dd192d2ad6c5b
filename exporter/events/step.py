"""Steps of a process: elements that people mean by one, never what leads to them."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    ELEMENT_ID,
    INTENT,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    key,
    record_key,
    text,
)
from exporter.events.process_instance import TAGS, VERSION
from exporter.events.record import Value

USUAL = (
    "user-task",
    "service-task",
    "send-task",
    "receive-task",
    "script-task",
    "business-rule-task",
    "manual-task",
    "task",
    "call-activity",
    "end-event",
)
OTHERS = (
    "sub-process",
    "event-sub-process",
    "ad-hoc-sub-process",
    "start-event",
    "intermediate-catch-event",
    "intermediate-throw-event",
    "boundary-event",
)
NEVER = frozenset(
    {
        "",
        "UNSPECIFIED",
        "PROCESS",
        "SEQUENCE_FLOW",
        "MULTI_INSTANCE_BODY",
        "AD_HOC_SUB_PROCESS_INNER_INSTANCE",
    }
)


def is_step(value: Value) -> bool:
    """Whether the element is something that people see happen."""
    element_type = value.text("bpmnElementType")
    return element_type not in NEVER and not element_type.endswith("_GATEWAY")


STEP = EventType(
    "step",
    "PROCESS_INSTANCE",
    "A step of a process: a task, a call activity, an event, a sub-process. Gateways, "
    "sequence flows and the bodies around multi-instances are none, whatever is "
    "selected.",
    fields=(
        identifier("The key of the element's instance: the same for all events of it."),
        INTENT,
        TYPE,
        text("elementType", "Its type, in the engine's word.", "bpmnElementType"),
        text("eventType", "What sort of event it is, like `TIMER`.", "bpmnEventType"),
        ELEMENT_ID,
        # The record of an element has as its own key what others have in the value.
        record_key("elementInstanceKey", "The key of the element's instance."),
        key("flowScopeKey", "The instance of the process or sub-process around it."),
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        VERSION,
        PROCESS_INSTANCE_KEY,
        TAGS,
        TENANT_ID,
    ),
    kinds=(
        Kind("activated", "ELEMENT_ACTIVATED", "It has begun."),
        Kind("completed", "ELEMENT_COMPLETED", "It is done."),
        Kind("terminated", "ELEMENT_TERMINATED", "It was cancelled or interrupted."),
    ),
    suits=is_step,
    brackets=Brackets("element types", "bpmnElementType", USUAL + OTHERS, USUAL),
)
