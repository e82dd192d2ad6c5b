"""
Leave out events by process, tenant and element, and fields by name.

A filter is a list of patterns. A pattern with ! excludes events, and takes precedence
over all others. A filter doesn't apply to events without a value to compare.
"""

import re
from typing import Any, NamedTuple

from exporter.events.catalog import CATALOG
from exporter.events.event_type import EventType
from exporter.events.fields import Form
from exporter.events.lists import matcher, read_terms, suggestion

EXCLUDE = "!"
STRANGE = re.compile(r"""[\s"'`!;|^$()\[\]{}\x00-\x1f]""")
"""A character that the id of a process, an element or a tenant can't contain."""

FIELDS = {
    field.name: field
    for each in CATALOG
    for kind in each.kinds
    for field in each.fields_of(kind)
}
"""The fields of all events by name."""


def _pattern(text: str) -> tuple[bool, str]:
    plain = text.removeprefix(EXCLUDE).lstrip()
    if not plain:
        raise ValueError(f"a pattern is missing after {EXCLUDE}")
    if strange := STRANGE.search(plain):
        # The pattern would never match. If it excludes events, none would be excluded.
        if strange[0].isspace():
            raise ValueError("a comma is missing")
        raise ValueError(f"no id has {strange[0]} in it")
    return text.startswith(EXCLUDE), plain


class Filter:
    """The patterns for one value of an event."""

    def __init__(self, text: str = "") -> None:
        """Read the patterns in *text*; raises `SelectionError`."""
        patterns = read_terms(text, _pattern) if text.strip() else []
        included = [plain for excludes, plain in patterns if not excludes]
        excluded = [plain for excludes, plain in patterns if excludes]
        self._includes = matcher(included) if included else None
        self._excludes = matcher(excluded) if excluded else None
        self.open = not patterns
        """Whether there are no patterns, so that everything passes."""

    def passes(self, text: str) -> bool:
        """Return whether an event with *text* passes; an empty text does."""
        if not text:
            return True
        if self._excludes and self._excludes(text):
            return False
        return self._includes is None or self._includes(text)


class Filters(NamedTuple):
    """All filters of one backend."""

    processes: Filter = Filter()
    tenants: Filter = Filter()
    elements: Filter = Filter()

    @property
    def open(self) -> bool:
        """Whether everything passes."""
        return all(each.open for each in self)

    @property
    def may_lose(self) -> bool:
        """Whether a migration to another process may hide later events of a task."""
        return not (self.processes.open and self.elements.open)

    def pass_value(self, kind: EventType, value: Any) -> bool:
        """Return whether an event of type *kind* with this *value* passes."""
        element = getattr(value, kind.element) if kind.element else ""
        return (
            self.processes.passes(value.bpmnProcessId)
            and self.tenants.passes(value.tenantId)
            and self.elements.passes(element)
        )


def dropped_in(text: str) -> tuple[str, ...]:
    """
    Return the names of dropped fields in *text*, separated by commas.

    After a dot, a name in a field that is an object may follow: `customHeaders.mail`.
    Raises `SelectionError` for unknown names: otherwise a mistyped name would let
    personal data pass.
    """
    return tuple(read_terms(text, _dropped)) if text.strip() else ()


def _dropped(text: str) -> str:
    name, dot, inner = text.partition(".")
    if len(name.split()) > 1:
        raise ValueError("a comma is missing")
    if name not in FIELDS:
        raise ValueError(f"no event has a field {name}{suggestion(name, FIELDS)}")
    if dot and (not inner or inner[0].isspace() or inner[0] in "\"'"):
        raise ValueError(f"the name after {name}. is missing")
    if inner and FIELDS[name].form is not Form.OBJECT:
        raise ValueError(f"{name} isn't an object with names")
    return text
