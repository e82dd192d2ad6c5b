"""How a setting is declared: its default and its rule; a docstring has its meaning."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from exporter.base.reread import Reread, fixed, text_of
from exporter.config.rules import Rule

PREFIX = "APP_INTEGRATIONS_"


class Declared(NamedTuple):
    """One setting, as it was declared."""

    default: Any
    """Its value if it isn't set; `...` makes it required."""
    rule: Rule
    secret: bool
    own: bool
    """Whether backends never share the setting."""
    variable: str
    name: str = ""

    @property
    def file(self) -> str:
        """The variable that may name a file with the value."""
        return f"{self.variable}_FILE"

    def shown(self, value: object) -> str | int:
        """Return *value* without secrets."""
        if self.secret and value:
            return "(hidden)"
        return value if isinstance(value, int) else self.rule.shown(str(value))


def setting(
    default: object,
    rule: Rule,
    *,
    secret: bool = False,
    own: bool = False,
    variable: str = "",
) -> Any:
    """Declare a field; its name decides its *variable*. A *secret* is also *own*."""
    declared = Declared(default, rule, secret, own or secret, variable)
    usual = MISSING if default is ... else default
    return field(default=usual, repr=not secret, metadata={"declared": declared})


def declared_in(settings: type, prefix: str = PREFIX) -> tuple[Declared, ...]:
    """Return the settings of the dataclass *settings*; *prefix* begins variables."""
    named = [(x.name, x.metadata["declared"]) for x in fields(settings) if x.metadata]
    return tuple(
        each._replace(name=name, variable=each.variable or prefix + name.upper())
        for name, each in named
    )


@dataclass(frozen=True, kw_only=True)
class Configured:
    """A set of settings that knows their variables and files."""

    files: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    """The file of each setting that was read from one, by the setting's name."""
    sources: tuple[Declared, ...] = field(default=(), repr=False, compare=False)
    """The settings with the variables in effect; empty for the usual variables."""

    @property
    def declared(self) -> dict[str, Declared]:
        """Every setting by its name."""
        return {each.name: each for each in self.sources or declared_in(type(self))}

    def variable(self, name: str) -> str:
        """Return the variable of the setting *name*."""
        return self.declared[name].variable

    def shown(self) -> dict[str, str | int]:
        """Return every variable and its value, without secrets."""
        return {
            each.variable: each.shown(getattr(self, each.name))
            for each in self.declared.values()
        }

    def watched(self, name: str) -> Reread[str]:
        """Return the text of the setting *name*, read again when its file changes."""
        path, declared = self.files.get(name), self.declared[name]
        if path is None:
            return fixed(getattr(self, name))

        def load() -> str:
            text = text_of(path)
            if not declared.rule.accepts(text):
                raise ValueError(f"it must hold {declared.rule.description}")
            return text

        return Reread(getattr(self, name), load, [path], declared.file)
