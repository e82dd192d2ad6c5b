"""
Read one exported record without trusting its content.

Newer brokers add fields, which are skipped, and older brokers lack some. A missing or
null field of a value has the engine's default. A field of the wrong type makes the
record unmappable.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from exporter.base import codec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,32}")
ERRORS = (msgspec.MsgspecError, RecursionError)


class UnmappableError(Exception):
    """A record can't become an event; the message says why."""


# Without `gc`, the garbage collector doesn't look at records, which never have cycles.
class Record(msgspec.Struct, gc=False, kw_only=True):
    """One record, with the engine's names. Its value is JSON until it is needed."""

    partitionId: Positive  # noqa: N815
    position: NotNegative
    timestamp: NotNegative
    key: Int64
    intent: str
    valueType: str  # noqa: N815
    recordType: str  # noqa: N815
    value: Any
    brokerVersion: str | None = None  # noqa: N815

    @property
    def broker(self) -> str:
        """The version of the broker that wrote the record; empty if unknown."""
        return _version(self.brokerVersion or "")


class _Unread(Record, gc=False, kw_only=True):
    value: msgspec.Raw


_read = msgspec.json.Decoder(_Unread).decode


def read(line: bytes) -> Record:
    """Return the record in *line*; raises `UnmappableError`."""
    try:
        return _read(line)
    except ERRORS as error:
        raise UnmappableError(f"it can't be read: {error}") from None


@lru_cache(maxsize=64)  # the brokers of a cluster have one version or two
def _version(text: str) -> str:
    return text if VERSION.fullmatch(text) else ""


def reader(fields: dict[str, tuple[Any, Any]]) -> Callable[[bytes], Any]:
    """
    Return a function that reads a value with *fields*: the type and default of each.

    The function raises `UnmappableError`.
    """
    shape = msgspec.defstruct(
        "Value", [(name, *field) for name, field in fields.items()], gc=False
    )
    decode = msgspec.json.Decoder(shape).decode

    def read_value(value: bytes) -> Any:
        try:
            return decode(value)
        except ERRORS:
            return _without_nulls(value, shape)

    return read_value


def _without_nulls(value: bytes, shape: type) -> Any:
    """Read *value* without its fields that are null; brokers hardly ever send any."""
    try:
        fields = codec.decode(bytes(value))
        if isinstance(fields, dict):
            fields = {name: x for name, x in fields.items() if x is not None}
        return msgspec.convert(fields, shape)
    except (ValueError, *ERRORS) as error:
        raise UnmappableError(f"its value can't be read: {error}") from None
