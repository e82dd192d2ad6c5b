"""
Read one exported record without trusting its content.

Newer brokers add fields, and older brokers lack some. A missing or null field has the
engine's default. A field of the wrong type makes the record unmappable.
"""

import re
from collections.abc import Iterable
from typing import Any

from exporter.base import codec

INT64 = range(-(2**63), 2**63)
VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,32}")


class UnmappableError(Exception):
    """A record can't become an event; the message says why."""


class Value:
    """The value of a record; missing fields have the engine's defaults."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def number(self, name: str, default: int = -1) -> int:
        """Return the 64-bit number *name*."""
        number = self._fields.get(name)
        if type(number) is int and number in INT64:
            return number
        if number is None:
            return default
        raise UnmappableError(f"value.{name} is not a 64-bit number")

    def text(self, name: str) -> str:
        """Return the text *name*."""
        text = self._fields.get(name)
        if type(text) is str:
            return text
        if text is None:
            return ""
        raise UnmappableError(f"value.{name} is not text")

    def items(self, name: str) -> list[str]:
        """Return the list of texts *name*."""
        items = self._fields.get(name)
        if items is None:
            return []
        if type(items) is list and _are_texts(items):
            return items
        raise UnmappableError(f"value.{name} is not a list of texts")

    def pairs(self, name: str) -> dict[str, str]:
        """Return the object of texts *name*."""
        pairs = self._fields.get(name)
        if pairs is None:
            return {}
        if type(pairs) is dict and _are_texts(pairs.values()):
            return pairs
        raise UnmappableError(f"value.{name} is not an object of texts")


class Record:
    """One record; all methods may raise `UnmappableError`."""

    __slots__ = ("_envelope", "_value")

    def __init__(self, line: bytes) -> None:
        """Decode *line*, the JSON document of one record."""
        try:
            envelope = codec.decode(line)
        except ValueError as error:
            raise UnmappableError(f"it is not JSON: {error}") from error
        if not isinstance(envelope, dict):
            raise UnmappableError("it is not a JSON object")
        value = envelope.get("value")
        self._envelope: dict[str, Any] = envelope
        self._value = Value(value) if isinstance(value, dict) else None

    def word(self, name: str) -> str:
        """Return the text *name* of the envelope."""
        word = self._envelope.get(name)
        if type(word) is not str:
            raise UnmappableError(f"{name} is missing or not text")
        return word

    def number(self, name: str, least: int = -(2**63)) -> int:
        """Return the 64-bit number *name* of the envelope; the minimum is *least*."""
        number = self._envelope.get(name)
        if type(number) is not int or number not in INT64:
            raise UnmappableError(f"{name} is missing or not a 64-bit number")
        if number < least:
            raise UnmappableError(f"{name} is less than {least}")
        return number

    @property
    def broker_version(self) -> str:
        """The version of the broker that wrote the record; empty if unknown."""
        version = self._envelope.get("brokerVersion")
        if type(version) is str and VERSION.fullmatch(version):
            return version
        return ""

    @property
    def value(self) -> Value:
        """The part that depends on the value type."""
        if self._value is None:
            raise UnmappableError("value is missing or not an object")
        return self._value


def _are_texts(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {str}
