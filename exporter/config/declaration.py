"""How a setting is declared: its default, its rule and its meaning."""

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
    rule: Rule
    meaning: str
    secret: bool
    own: bool
    """Whether backends never share the setting."""
    alias: str
    """The variable, if it doesn't follow from the name."""
    name: str = ""
    prefix: str = PREFIX

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return self.alias or self.prefix + self.name.upper()

    @property
    def required(self) -> bool:
        """Whether the setting has no default."""
        return self.default is ...

    @property
    def kind(self) -> type:
        """The type of its values."""
        return str if self.required else type(self.default)

    def shown(self, value: object) -> str | int:
        """Return *value* without secrets."""
        if self.secret and value:
            return "(hidden)"
        return value if isinstance(value, int) else self.rule.shown(str(value))


def setting(  # noqa: PLR0913 -- a declaration has as many parts
    default: object,
    rule: Rule,
    meaning: str,
    *,
    secret: bool = False,
    own: bool = False,
    alias: str = "",
) -> Any:
    """Declare a field; a *default* of `...` makes it required. A secret is *own*."""
    declared = Declared(default, rule, meaning, secret, own or secret, alias)
    usual = MISSING if declared.required else default
    return field(default=usual, repr=not secret, metadata={"declared": declared})


def declared_in(settings: type) -> tuple[Declared, ...]:
    """Return every setting that the dataclass *settings* declares."""
    return tuple(
        each.metadata["declared"]._replace(name=each.name)
        for each in fields(settings)
        if each.metadata
    )


@dataclass(frozen=True, kw_only=True)
class Configured:
    """A set of settings that knows their variables and files."""

    files: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    """The file of each setting that was read from one, by the setting's name."""
    prefix: str = field(default=PREFIX, repr=False, compare=False)
    """The beginning of the variables' names."""

    @property
    def declared(self) -> dict[str, Declared]:
        """Every setting by its name, with its variable."""
        found = declared_in(type(self))
        return {each.name: each._replace(prefix=self.prefix) for each in found}

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

        return Reread(getattr(self, name), load, [path], f"{declared.variable}_FILE")
