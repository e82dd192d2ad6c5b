"""The declaration of an event type, with its kinds and fields."""

from collections.abc import Callable
from typing import Any, NamedTuple

from exporter.events.fields import OLDEST, Field

Condition = Callable[[Any], bool]
"""A predicate on the values of records."""


def always(_: Any) -> bool:
    """Accept every value."""
    return True


class Kind(NamedTuple):
    """One kind of an event type."""

    name: str
    intent: str
    """The intent in the engine."""
    meaning: str
    when: Condition = always
    """Distinguishes kinds with the same intent."""
    extra: tuple[Field, ...] = ()
    """Fields of this kind only, after the others."""
    since: str = OLDEST
    """The first broker version with this kind."""
    default: bool = False
    """Whether the official exporter sends it, and we do by default."""
    ends: bool = False
    """Whether it's the last event for its key, even after a migration."""


class Brackets(NamedTuple):
    """The choice in brackets of a selection, like `step:completed[service-task]`."""

    of: str
    """The plural of what is listed."""
    source: str
    """The name of the compared text in the value."""
    choices: tuple[str, ...] = ()
    """All known words of the engine in the spelling of selections; empty for names
    that people choose."""
    usual: tuple[str, ...] = ("*",)
    """The patterns without brackets; empty if brackets are required."""

    def spelled(self, text: str) -> str:
        """Return a *text* of the engine in the spelling of selections."""
        return text.lower().replace("_", "-") if self.choices else text


class EventType(NamedTuple):
    """One event type."""

    name: str
    value_type: str
    """The value type in the engine."""
    meaning: str
    fields: tuple[Field, ...]
    """The fields of all kinds, in the order of the event."""
    kinds: tuple[Kind, ...]
    suits: Condition = always
    """Distinguishes types with the same value type."""
    brackets: Brackets | None = None
    also: tuple[Field, ...] = ()
    """Further fields of the value, which conditions read."""
    element: str = "elementId"
    """The name of the element's id in the value; empty if there is no element."""
    in_brief: bool = True
    """False if brokers since 8.8 export it only when configured."""

    def fields_of(self, kind: Kind) -> tuple[Field, ...]:
        """Return the fields of an event of *kind*."""
        return self.fields + kind.extra

    def name_of(self, kind: Kind) -> str:
        """Return the name of an event of *kind*, like `user-task.created`."""
        return f"{self.name}.{kind.name}"
