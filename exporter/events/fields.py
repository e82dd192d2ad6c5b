"""
The fields of events, each declared once.

A declaration has the source of a field, its meaning, and the first broker version that
sends it. Events, their JSON Schemas and their documentation are made from it.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, NamedTuple

from exporter.events.record import Int64, UnmappableError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OLDEST = "8.5"


class Form(StrEnum):
    """The forms of fields in JSON."""

    DIGITS = "a whole number of up to 64 bits as text, `-1` when there is none"
    TEXT = "text, empty when there is none"
    NUMBER = "a whole number"
    MOMENT = "ISO 8601 in UTC: `2026-11-23T15:14:07.151Z`, empty when there is none"
    LIST = "a list of texts, empty when there are none"
    OBJECT = "an object of texts, empty when there are none"
    FLAG = "true or false"


# The type and the default of a form's source in the record's value.
SOURCES: dict[Form, tuple[Any, Any]] = {
    Form.DIGITS: (Int64, -1),
    Form.TEXT: (str, ""),
    Form.NUMBER: (Int64, -1),
    Form.MOMENT: (Int64, -1),
    Form.LIST: (list[str], []),
    Form.OBJECT: (dict[str, str], {}),
    Form.FLAG: (str, ""),
}


class Field(NamedTuple):
    """One field of an event."""

    name: str
    form: Form
    meaning: str
    source: str
    """The path in the record."""
    since: str = OLDEST
    """The first broker version with this field."""
    convert: Callable[[Any], Any] | None = None
    """Turns the source into the field; None if they are equal."""
    default: Any = None
    """The default of the source, if the form has another one."""

    @property
    def in_value(self) -> str:
        """The name of the source in the value, or empty."""
        value, _, name = self.source.rpartition(".")
        return name if value else ""


def _field(  # noqa: PLR0913
    form: Form,
    convert: Callable[[Any], Any] | None,
    name: str,
    meaning: str,
    source: str = "",
    *,
    since: str = OLDEST,
) -> Field:
    """Declare a field whose *source* in the value defaults to its *name*."""
    return Field(name, form, meaning, f"value.{source or name}", since, convert)


def _moment(milliseconds: int) -> str:
    with suppress(UnmappableError):  # the year isn't from 1 to 9999
        return "" if milliseconds == -1 else instant(milliseconds)
    return ""


# 64-bit numbers are sent as text, because JavaScript rounds integers above 2**53.
key = partial(_field, Form.DIGITS, str)
text = partial(_field, Form.TEXT, None)
number = partial(_field, Form.NUMBER, None)
moment = partial(_field, Form.MOMENT, _moment)
items = partial(_field, Form.LIST, None)
pairs = partial(_field, Form.OBJECT, None)


def record_key(name: str, meaning: str) -> Field:
    """Declare the key of the record itself."""
    return Field(name, Form.DIGITS, meaning, "key", convert=str)


INTENT = Field("intent", Form.TEXT, "What happened, in the engine's word.", "intent")
TYPE = Field(
    "type", Form.TEXT, "What it happened to, in the engine's word.", "valueType"
)

PROCESS_DEFINITION_KEY = key("processDefinitionKey", "The deployed process.")
PROCESS_DEFINITION_ID = text(
    "processDefinitionId", "The id of the process in its model.", "bpmnProcessId"
)
OF_PROCESS = (PROCESS_DEFINITION_KEY, PROCESS_DEFINITION_ID)
PROCESS_DEFINITION_VERSION = key(
    "processDefinitionVersion", "The version of the deployed process."
)
PROCESS_INSTANCE_KEY = key("processInstanceKey", "The process instance.")
ELEMENT_ID = text("elementId", "The id of the element in the model.")
ELEMENT_INSTANCE_KEY = key(
    "elementInstanceKey", "The element's instance: another one each time it is reached."
)
OF_ELEMENT = (ELEMENT_ID, ELEMENT_INSTANCE_KEY)
TENANT_ID = text("tenantId", "The tenant, `<default>` where there are none.")

OF_ALL = (PROCESS_INSTANCE_KEY, PROCESS_DEFINITION_ID, TENANT_ID)
"""Fields that are read from every value, for lanes and filters."""


def fields_of(meaning: str, *own: Field) -> tuple[Field, ...]:
    """Return the fields of a type: common ones, and between them its *own*."""
    return record_key("id", meaning), INTENT, TYPE, *own, TENANT_ID


def instant(milliseconds: int) -> str:
    """Return *milliseconds* since 1970 in the format of `java.time.Instant`."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        second = _second(seconds)
    except OverflowError as error:
        raise UnmappableError("a time is not in the years 1 to 9999") from error
    return f"{second}.{rest:03}Z" if rest else f"{second}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    # Many tasks are created in the same second, and each has several events.
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
