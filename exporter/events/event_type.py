"""What can be told of one thing in the engine: a type, its kinds, and its fields."""

from collections.abc import Callable
from typing import NamedTuple

from exporter.events.fields import OLDEST, Field
from exporter.events.record import Value

Condition = Callable[[Value], bool]
"""Raises `UnmappableError` when it can't tell."""


def always(_: Value) -> bool:
    """Hold for every record."""
    return True


class Kind(NamedTuple):
    """One thing that may happen."""

    name: str
    intent: str
    """What the engine calls it."""
    meaning: str
    when: Condition = always
    """Tells it from others of the same intent."""
    extra: tuple[Field, ...] = ()
    """Fields that only this kind has, behind the others."""
    since: str = OLDEST
    """The first version of brokers where it happens."""
    default: bool = False
    """Whether the official exporter sends it, and so do we unless told otherwise."""
    ends: bool = False
    """Whether nothing follows for the same key, whose process may have changed."""


class Brackets(NamedTuple):
    """What the brackets of a selection choose by: `step:completed[service-task]`."""

    of: str
    """What they list, in the plural."""
    source: str
    """The text in the value that is looked at."""
    choices: tuple[str, ...] = ()
    """All words of the engine that we know, as selections spell them; none for names
    that people give."""
    usual: tuple[str, ...] = ("*",)
    """What is chosen without brackets; nothing means that there must be some."""

    def spelled(self, text: str) -> str:
        """Return a *text* of the engine as selections spell it."""
        return text.lower().replace("_", "-") if self.choices else text


class EventType(NamedTuple):
    """One thing in the engine, of which events tell."""

    name: str
    value_type: str
    """What the engine calls it."""
    meaning: str
    fields: tuple[Field, ...]
    """In the order of the event."""
    kinds: tuple[Kind, ...]
    suits: Condition = always
    """Whether a record of the value type is of this type at all."""
    brackets: Brackets | None = None
    element: str = "elementId"
    """The text in the value that names the element; empty when it is none."""
    in_brief: bool = True
    """False: a broker of 8.8 or later must be told to export it at all."""

    def fields_of(self, kind: Kind) -> tuple[Field, ...]:
        """Return the fields of an event of *kind*."""
        return self.fields + kind.extra

    def name_of(self, kind: Kind) -> str:
        """Return what an event of *kind* is called, like `user-task.created`."""
        return f"{self.name}.{kind.name}"
