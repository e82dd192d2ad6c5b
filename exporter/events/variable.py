"""Variables, by name only: their values may be personal data."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    INTENT,
    OLDEST,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    Field,
    Form,
    identifier,
    key,
    text,
)

MOST_CHARACTERS = 8192
"""How much of a value is told."""

VARIABLE = EventType(
    "variable",
    "VARIABLE",
    "A variable of a process instance or of an element in it. Values may be personal "
    "data, so the names have to be listed; `[*]` is all of them.",
    fields=(
        identifier("The variable's key: the same for all events of a variable."),
        INTENT,
        TYPE,
        text("name", "Its name."),
        Field(
            "value",
            Form.TEXT,
            f"Its value as JSON text, of which the first {MOST_CHARACTERS} characters.",
            "value.value",
            OLDEST,
            lambda _, value: value.text("value")[:MOST_CHARACTERS],
        ),
        Field(
            "truncated",
            Form.FLAG,
            "Whether the value is longer, and so `value` no JSON.",
            "value.value",
            OLDEST,
            lambda _, value: len(value.text("value")) > MOST_CHARACTERS,
        ),
        key("scopeKey", "The instance of the process or the element that has it."),
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        PROCESS_INSTANCE_KEY,
        TENANT_ID,
    ),
    kinds=(
        Kind("created", "CREATED", "There is one more."),
        Kind("updated", "UPDATED", "It has another value."),
    ),
    brackets=Brackets("names", "name", usual=()),
)
