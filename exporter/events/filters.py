"""
Which of the selected events are wanted, by process, tenant and element.

A filter lists patterns; one that begins with ! keeps away what it fits, whatever else
does. Where an event has nothing to compare, nothing is kept away.
"""

import re
from typing import NamedTuple

from exporter.events.event_type import EventType
from exporter.events.patterns import fits
from exporter.events.record import Value
from exporter.events.written import listed

DENY = "!"
IN_NO_ID = r"""\s"'`!;|^$()\[\]{}"""
"""What no id of a process, an element or a tenant has in it."""
STRANGE = re.compile(rf"[{IN_NO_ID}\x00-\x1f]")
_PATTERN = rf"\s*({DENY}\s*)?[^,{IN_NO_ID}]+\s*"
FORM = f"{_PATTERN}(,{_PATTERN})*"
"""What every filter looks like, for those who can't ask `Filter`, like the chart."""


def _pattern(text: str) -> tuple[bool, str]:
    """Return whether *text* denies, and the pattern in it."""
    plain = text.removeprefix(DENY).lstrip()
    if not plain:
        raise ValueError(f"a pattern is missing after {DENY}")
    if strange := STRANGE.search(plain):
        # It would fit nothing: a list of what is denied would let all pass.
        if strange[0].isspace():
            raise ValueError("a comma is missing")
        raise ValueError(f"no id has {strange[0]} in it")
    return text.startswith(DENY), plain


class Filter:
    """The patterns for one text."""

    def __init__(self, text: str = "") -> None:
        """
        Read patterns, separated by commas; an empty *text* lets everything pass.

        Raises `SelectionError` for a pattern that is missing, or that can't fit.
        """
        patterns = listed(text, _pattern)
        allowed = [plain for denies, plain in patterns if not denies]
        denied = [plain for denies, plain in patterns if denies]
        self._allows = fits(allowed) if allowed else None
        self._denies = fits(denied) if denied else None
        self.open = not patterns
        """Whether it lets everything pass."""

    def passes(self, text: str) -> bool:
        """Return whether *text* may pass; what there isn't may."""
        if not text:
            return True
        if self._denies and self._denies(text):
            return False
        return self._allows is None or self._allows(text)


class Filters(NamedTuple):
    """All filters of one backend."""

    processes: Filter = Filter()
    tenants: Filter = Filter()
    elements: Filter = Filter()

    @property
    def open(self) -> bool:
        """Whether they let everything pass."""
        return all(each.open for each in self)

    @property
    def may_lose(self) -> bool:
        """Whether what passed may be kept away later, in another process."""
        return not (self.processes.open and self.elements.open)

    def let_pass(self, kind: EventType, value: Value) -> bool:
        """Return whether what happened to a *kind* of thing may pass."""
        return (
            self.processes.passes(value.text("bpmnProcessId"))
            and self.tenants.passes(value.text("tenantId"))
            and self.elements.passes(value.text(kind.element) if kind.element else "")
        )
