"""How a setting is declared: its default, its rule and its meaning."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from exporter.base.reread import Reread, fixed, text_of
from exporter.base.texts import without_user
from exporter.config.rules import HTTP_URL, Rule

PREFIX = "APP_INTEGRATIONS_"


def setting(  # noqa: PLR0913 -- a declaration has as many parts
    default: object,
    rule: Rule,
    meaning: str,
    *,
    secret: bool = False,
    own: bool = False,
    variable: str = "",
) -> Any:
    """
    Declare a setting; a *default* of `...` makes it required.

    A secret, and any *own* setting, is never shared between backends. *variable* is the
    whole name in the environment, if it doesn't follow from the setting's name.
    """
    return field(
        default=MISSING if default is ... else default,
        repr=not secret,
        metadata={
            "rule": rule,
            "meaning": meaning,
            "given": variable,
            "own": own or secret,
        },
    )


class Declared(NamedTuple):
    """One setting, as its declaration describes it."""

    name: str
    kind: type
    default: Any
    secret: bool
    rule: Rule
    meaning: str
    given: str
    own: bool
    prefix: str = PREFIX

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return self.given or self.prefix + self.name.upper()

    @property
    def required(self) -> bool:
        """Whether the setting has no default."""
        return self.default is MISSING

    def shown(self, value: object) -> str | int:
        """Return *value* without secrets."""
        if self.secret and value:
            return "(hidden)"
        if self.rule is HTTP_URL:  # it may hold a user, a password or a token
            value = re.sub(r"(?s)([?#]).*", r"\1...", without_user(str(value)))
        return value if isinstance(value, int) else str(value)


def declared_in(settings: type) -> tuple[Declared, ...]:
    """Return every setting that the dataclass *settings* declares."""
    kinds = get_type_hints(settings)
    return tuple(
        Declared(x.name, kinds[x.name], x.default, not x.repr, **x.metadata)
        for x in fields(settings)
        if x.metadata
    )


@dataclass(frozen=True, kw_only=True)
class Configured:
    """A set of settings that knows their variables and files."""

    files: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    """The file of each setting that was read from one, by the setting's name."""
    prefix: str = field(default=PREFIX, repr=False, compare=False)
    """The beginning of the variables' names."""

    def variable(self, name: str) -> str:
        """Return the variable of the setting *name*."""
        given = type(self).__dataclass_fields__[name].metadata["given"]
        return given or self.prefix + name.upper()

    def watched(self, name: str) -> Reread[str]:
        """Return the text of the setting *name*, read again when its file changes."""
        path = self.files.get(name)
        if path is None:
            return fixed(getattr(self, name))
        rule = type(self).__dataclass_fields__[name].metadata["rule"]

        def load() -> str:
            text = text_of(path)
            if not rule.accepts(text):
                raise ValueError(f"it must hold {rule.description}")
            return text

        variable = f"{self.variable(name)}_FILE"
        return Reread(getattr(self, name), load, [path], variable)
