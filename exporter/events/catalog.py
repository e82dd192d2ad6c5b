"""Every type of event, in the order of the documentation. A new one is a row here."""

from exporter.events.event_type import EventType
from exporter.events.flow import INCIDENT, JOB, PROCESS_INSTANCE, STEP
from exporter.events.rest import (
    DECISION,
    ESCALATION,
    MESSAGE,
    MESSAGE_SUBSCRIPTION,
    PROCESS,
    SIGNAL,
    TIMER,
    VARIABLE,
)
from exporter.events.user_task import USER_TASK

CATALOG: tuple[EventType, ...] = (
    *(USER_TASK, PROCESS_INSTANCE, STEP, INCIDENT, JOB, VARIABLE, MESSAGE),
    *(MESSAGE_SUBSCRIPTION, SIGNAL, TIMER, DECISION, ESCALATION, PROCESS),
)

ENDS = frozenset(
    each.name_of(kind) for each in CATALOG for kind in each.kinds if kind.ends
)
"""The names of what comes last for a key."""

DEFAULT = ", ".join(
    f"{each.name}:{kind.name}"
    for each in CATALOG
    for kind in each.kinds
    if kind.default
)
"""What the official exporter sends, as a selection."""

EVERYTHING = ", ".join(
    f"{each.name}[*]" if each.brackets else each.name for each in CATALOG
)
"""All there is, as a selection: for tests and measurements, hardly for a backend."""
