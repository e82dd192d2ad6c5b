"""Timers."""

from exporter.events.event_type import EventType, Kind
from exporter.events.fields import (
    ELEMENT_INSTANCE_KEY,
    INTENT,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    moment,
    number,
    text,
)

TIMER = EventType(
    "timer",
    "TIMER",
    "A timer of an element. One that starts process instances has none itself.",
    fields=(
        identifier("The timer's key: the same for all events of a timer."),
        INTENT,
        TYPE,
        moment("dueAt", "When it is due.", "dueDate"),
        number("repetitions", "How often it will be due; -1 is without end."),
        PROCESS_DEFINITION_KEY,
        PROCESS_INSTANCE_KEY,
        text("elementId", "The id of the element that it triggers.", "targetElementId"),
        ELEMENT_INSTANCE_KEY,
        TENANT_ID,
    ),
    kinds=(
        Kind("created", "CREATED", "It runs."),
        Kind("triggered", "TRIGGERED", "It was due."),
        Kind("canceled", "CANCELED", "It need not run any more."),
    ),
    element="targetElementId",
    in_brief=False,
)
