"""Escalations."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    INTENT,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    text,
)

ESCALATION = EventType(
    "escalation",
    "ESCALATION",
    "An escalation that an element threw.",
    fields=(
        identifier("The escalation's key."),
        INTENT,
        TYPE,
        text("escalationCode", "Its code."),
        text("throwElementId", "The id of the element that threw it."),
        text("catchElementId", "The id of the element that caught it."),
        PROCESS_INSTANCE_KEY,
        TENANT_ID,
    ),
    kinds=(
        Kind("escalated", "ESCALATED", "An element caught it."),
        Kind("not-escalated", "NOT_ESCALATED", "No element caught it."),
    ),
    brackets=Brackets("codes", "escalationCode"),
    element="throwElementId",
    in_brief=False,
)
