"""All event types, in the order of the documentation; add new ones here."""

from collections.abc import Callable
from typing import Any

from exporter.events import flow, rest
from exporter.events.event_type import EventType
from exporter.events.fields import OF_ALL, SOURCES
from exporter.events.record import reader
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


def _reader_of(value_type: str) -> Callable[[bytes], Any]:
    fields = {each.in_value: each for each in OF_ALL}
    for each in CATALOG:
        if each.value_type == value_type:
            extra = [field for kind in each.kinds for field in kind.extra]
            own = (*each.fields, *each.also, *extra)
            fields |= {field.in_value: field for field in own if field.in_value}
    shape = {}
    for name, field in fields.items():
        source, default = SOURCES[field.form]
        shape[name] = source, default if field.default is None else field.default
    return reader(shape)


READERS = {name: _reader_of(name) for name in {each.value_type for each in CATALOG}}
"""Functions that read the values of records, by value type."""
