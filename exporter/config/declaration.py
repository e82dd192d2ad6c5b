"""
How a setting is declared: its default, what it must be, and what it means.

Knows no setting by name; `exporter.config.settings` has them.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from exporter.base.reread import Reread, fixed, text_of
from exporter.base.texts import without_user
from exporter.config.musts import POSTABLE, Must

PREFIX = "APP_INTEGRATIONS_"

# What Kubernetes injects for each Service of a namespace whose name starts like our
# prefix. The last form may have the very name of a setting: it isn't meant for us.
SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=.*"
    r"|\w+_PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)


class MistakeError(Exception):
    """One variable is wrong in one way."""

    def __init__(self, variable: str, wrong: str, right: str) -> None:
        """Say in one line what is *wrong* and what would be *right*."""
        super().__init__(f"{variable} {wrong}, must be {right}")
        self.variable = variable


def setting(  # noqa: PLR0913 -- a declaration has as many parts
    default: object,
    must: Must,
    meaning: str,
    *,
    secret: bool = False,
    own: bool = False,
    variable: str = "",
) -> Any:
    """
    Declare a field; `...` instead of a *default* says that it is required.

    What is *own*, like any secret, is never that of another backend. *variable* is its
    whole name where others have chosen that.
    """
    return field(
        default=MISSING if default is ... else default,
        repr=not secret,
        metadata={
            "must": must,
            "meaning": meaning,
            "foreign": variable,
            "own": own or secret,
        },
    )


class Declared(NamedTuple):
    """One field, as its name, annotation, default and `setting` declare it."""

    name: str
    kind: type
    default: Any
    must: Must
    meaning: str
    foreign: str
    own: bool
    """Whether each backend has its own, or none."""
    secret: bool
    prefix: str = PREFIX

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return self.foreign or self.prefix + self.name.upper()

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    def shown(self, value: object) -> str | int:
        """Return *value* as people may see it."""
        if self.secret and value:
            return "(hidden)"
        if self.must is POSTABLE:  # a user, a password, a token may be in a URL
            value = re.sub(r"(?s)([?#]).*", r"\1...", without_user(str(value)))
        return value if isinstance(value, int) else str(value)


def declared_in(settings: type) -> tuple[Declared, ...]:
    """Return what the dataclass *settings* declares: its own, then what it inherits."""
    kinds = get_type_hints(settings)
    own = settings.__annotations__
    ordered = sorted(fields(settings), key=lambda each: each.name not in own)
    return tuple(
        Declared(
            each.name,
            kinds[each.name],
            each.default,
            **each.metadata,
            secret=not each.repr,
        )
        for each in ordered
        if each.metadata
    )


@dataclass(frozen=True, kw_only=True)
class Readable:
    """Settings, of which those that came from a file can be read again."""

    files: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    """The files of settings, by the name of the setting."""
    prefix: str = field(default=PREFIX, repr=False, compare=False)
    """What the names of their variables begin with."""

    def variable(self, name: str) -> str:
        """Return the variable of the setting *name*."""
        return self.prefix + name.upper()

    def in_its_words(self, text: str) -> str:
        """Return *text*, which speaks of plain names, with those it really has."""
        return text.replace(PREFIX, self.prefix)

    def watched(self, name: str) -> Reread[str]:
        """Return the text of the setting *name*, as its file has it from now on."""
        value = getattr(self, name)
        path = self.files.get(name)
        if path is None:
            return fixed(value)
        (declared,) = [each for each in declared_in(type(self)) if each.name == name]

        def load() -> str:
            text = text_of(path)
            if not declared.must.holds(text):
                raise ValueError(f"it must hold {declared.must.be}")
            return text

        return Reread(value, load, [path], f"{self.variable(name)}_FILE")
