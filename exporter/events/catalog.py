"""All event types, in the order of the documentation; add new ones here."""

from exporter.events import flow, rest
from exporter.events.event_type import EventType
from exporter.events.user_task import USER_TASK

CATALOG: tuple[EventType, ...] = (
    *(USER_TASK, flow.PROCESS_INSTANCE, flow.STEP, flow.INCIDENT, flow.JOB),
    *(rest.VARIABLE, rest.MESSAGE, rest.MESSAGE_SUBSCRIPTION, rest.SIGNAL),
    *(rest.TIMER, rest.DECISION, rest.ESCALATION, rest.PROCESS),
)

ENDS = frozenset(
    each.name_of(kind) for each in CATALOG for kind in each.kinds if kind.ends
)
"""The names of events that are the last ones for their key."""

DEFAULT = ", ".join(
    f"{each.name}:{kind.name}"
    for each in CATALOG
    for kind in each.kinds
    if kind.default
)
"""The selection of the events that the official exporter sends."""

EVERYTHING = ", ".join(
    f"{each.name}[*]" if each.brackets else each.name for each in CATALOG
)
"""The selection of all events, for tests and measurements."""
