"""
What an event consists of: fields, each declared once.

A declaration says where a field comes from, what it means and since which version
brokers send it. The event, its JSON Schema and its documentation are made from it.
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
    """How a field travels."""

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
    """Where the record has it."""
    since: str
    """The first version of brokers that send it."""
    read: Callable[[Record, Value], Any]
    """Raises `UnmappableError` when the record has something else there."""


def key(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """
    Declare the number *source* of the value, *name* unless said otherwise.

    It travels as text, because JavaScript rounds integers above 2**53.
    """

    def read(value: Value, source: str) -> str:
        return str(value.number(source))

    return _of_value(Form.DIGITS, read, name, meaning, source, since=since)


def text(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """Declare a text."""
    return _of_value(Form.TEXT, Value.text, name, meaning, source, since=since)


def number(name: str, meaning: str, *, default: int = -1, since: str = OLDEST) -> Field:
    """Declare a number that is small enough for everybody."""

    def read(value: Value, source: str) -> int:
        return value.number(source, default)

    return _of_value(Form.NUMBER, read, name, meaning, "", since=since)


def moment(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """
    Declare a moment, which the record has in milliseconds since 1970.

    The field is empty when there is no moment, or one of another era: a thing that
    never expires may have such a date.
    """

    def read(value: Value, source: str) -> str:
        milliseconds = value.number(source)
        with suppress(UnmappableError):
            return "" if milliseconds == -1 else instant(milliseconds, source)
        return ""

    return _of_value(Form.MOMENT, read, name, meaning, source, since=since)


def items(name: str, meaning: str, source: str = "", *, since: str = OLDEST) -> Field:
    """Declare a list."""
    return _of_value(Form.LIST, Value.items, name, meaning, source, since=since)


def pairs(name: str, meaning: str, *, since: str = OLDEST) -> Field:
    """Declare an object."""
    return _of_value(Form.OBJECT, Value.pairs, name, meaning, "", since=since)


def _of_value(  # noqa: PLR0913 -- all that a field has
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
    """Declare a word of the record itself."""

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
    """Return all fields of a type: what every event has, around the type's *own*."""
    return record_key("id", meaning), INTENT, TYPE, *own, TENANT_ID


def instant(milliseconds: int, name: str) -> str:
    """
    Return *milliseconds* since 1970 as `java.time.Instant` prints them.

    *name* is where they come from, for the reason why that can't be done.
    """
    seconds, rest = divmod(milliseconds, 1000)
    try:
        second = _second(seconds)
    except OverflowError as error:
        raise UnmappableError(f"{name} is no time of this era") from error
    return f"{second}.{rest:03}Z" if rest else f"{second}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    # Many tasks are created in one second, and each is told of several times.
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
