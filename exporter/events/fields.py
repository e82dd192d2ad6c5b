"""
The fields of events, each declared once.

A declaration has the source of a field, its meaning, and the first broker version that
sends it. Events, their JSON Schemas and their documentation are made from it.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from exporter.events.record import Record, UnmappableError, Value

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


class Field(NamedTuple):
    """One field of an event."""

    name: str
    form: Form
    meaning: str
    source: str
    """The path in the record."""
    since: str
    """The first broker version with this field."""
    read: Callable[[Record, Value], Any]
    """Raises `UnmappableError` if the record has another type there."""


def key(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """
    Declare a 64-bit number; *source* defaults to *name*.

    It's sent as text, because JavaScript rounds integers above 2**53.
    """

    def read(value: Value, source: str) -> str:
        return str(value.number(source))

    return _of_value(Form.DIGITS, read, name, meaning, source, since=since)


def text(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """Declare a text."""
    return _of_value(Form.TEXT, Value.text, name, meaning, source, since=since)


def number(name: str, meaning: str, *, default: int = -1, since: str = OLDEST) -> Field:
    """Declare a small number."""

    def read(value: Value, source: str) -> int:
        return value.number(source, default)

    return _of_value(Form.NUMBER, read, name, meaning, "", since=since)


def moment(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """
    Declare a time, which is in milliseconds since 1970 in the record.

    The field is empty if there is none, or if its year isn't from 1 to 9999.
    """

    def read(value: Value, source: str) -> str:
        milliseconds = value.number(source)
        with suppress(UnmappableError):
            return "" if milliseconds == -1 else instant(milliseconds, source)
        return ""

    return _of_value(Form.MOMENT, read, name, meaning, source, since=since)


def items(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """Declare a list of texts."""
    return _of_value(Form.LIST, Value.items, name, meaning, source, since=since)


def pairs(name: str, meaning: str, *, since: str = OLDEST) -> Field:
    """Declare an object of texts."""
    return _of_value(Form.OBJECT, Value.pairs, name, meaning, "", since=since)


def _of_value(  # noqa: PLR0913
    form: Form,
    read: Callable[[Value, str], Any],
    name: str,
    meaning: str,
    source: str,
    *,
    since: str,
) -> Field:
    own = source or name
    return Field(
        name, form, meaning, f"value.{own}", since, lambda _, value: read(value, own)
    )


def record_key(name: str, meaning: str) -> Field:
    """Declare the key of the record itself."""

    def read(record: Record, _: Value) -> str:
        return str(record.number("key"))

    return Field(name, Form.DIGITS, meaning, "key", OLDEST, read)


def _word(name: str, meaning: str, source: str) -> Field:
    def read(record: Record, _: Value) -> str:
        return record.word(source)

    return Field(name, Form.TEXT, meaning, source, OLDEST, read)


INTENT = _word("intent", "What happened, in the engine's word.", "intent")
TYPE = _word("type", "What it happened to, in the engine's word.", "valueType")

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


def fields_of(meaning: str, *own: Field) -> tuple[Field, ...]:
    """Return the fields of a type: common ones, and between them its *own*."""
    return record_key("id", meaning), INTENT, TYPE, *own, TENANT_ID


def instant(milliseconds: int, name: str) -> str:
    """
    Return *milliseconds* since 1970 in the format of `java.time.Instant`.

    *name* is the field in the message of an `UnmappableError`.
    """
    seconds, rest = divmod(milliseconds, 1000)
    try:
        second = _second(seconds)
    except OverflowError as error:
        raise UnmappableError(f"{name} is not in the years 1 to 9999") from error
    return f"{second}.{rest:03}Z" if rest else f"{second}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    # Many tasks are created in the same second, and each has several events.
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
