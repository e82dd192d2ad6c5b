"""Read declared settings from variables, or from the files that `..._FILE` names."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from environs import EnvValidationError, FileAwareEnv

from exporter.config.connector import not_ours
from exporter.config.declaration import PREFIX, Declared

# Kubernetes sets these variables for each Service of a namespace. The last form can
# have the name of a setting.
SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=.*"
    r"|\w+_PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)


def read_all(settings: Iterable[Declared]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of *settings* by name, and a sentence for each mistake."""
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for each in settings:
        try:
            values[each.name] = _read(each) if is_set(each) else each.default
        except ValueError as mistake:
            mistakes.append(f"{mistake}")
        if values.get(each.name) is ...:
            right = f"it must be {each.rule.description}"
            mistakes.append(f"{each.variable} is not set; {right}")
    return values, mistakes


def files_of(settings: Iterable[Declared]) -> dict[str, Path]:
    """Return the file of each setting that is read from one."""
    return {each.name: Path(path) for each in settings if (path := _path(each))}


def is_set(setting: Declared) -> bool:
    """Whether the environment has a value for *setting*."""
    return bool(_text(setting) or _path(setting))


def _text(setting: Declared) -> str:
    variable = setting.variable
    text = os.environ.get(variable, "")
    if SERVICE_LINK.fullmatch(f"{variable}={text}") or variable in not_ours(os.environ):
        return ""
    is_foreign = not variable.startswith(PREFIX)
    return "" if is_foreign and text.strip() in ("", "null") else text


def _path(setting: Declared) -> str:
    return os.environ.get(setting.file, "")


def _read(setting: Declared) -> object:
    """Return the value of *setting*; a ValueError describes the mistake in it."""
    text, path = _text(setting), _path(setting)
    variable, file = setting.variable, setting.file
    description = setting.rule.description
    if text and path:
        raise ValueError(f"{variable} and {file} are both set; remove one of them")
    env = FileAwareEnv(strip_whitespace=True)
    kind = str if setting.default is ... else type(setting.default)
    read: Callable[..., Any] = env.int if kind is int else env.str
    try:
        value = read(variable, validate=setting.rule, error_messages={"invalid": ""})
    except EnvValidationError as error:
        if path:  # its content isn't shown: it may be a secret in the wrong place
            right = f"the file must hold {description}"
            wrong = "names a file whose content can't be used"
            raise ValueError(f"{file} {wrong}; {right}") from None
        wrong = f"is {setting.shown(text)!r}{''.join(error.error_messages)}"
        raise ValueError(f"{variable} {wrong}; it must be {description}") from None
    except (OSError, ValueError) as error:
        why = getattr(error.__cause__ or error, "strerror", "not UTF-8 text")
        wrong = f"is {(path if _is_path(path) else setting.shown(path))!r} ({why})"
        right = "it must be the path of a readable text file"
        raise ValueError(f"{file} {wrong}; {right}") from None
    return kind(value)


def _is_path(text: str) -> bool:
    """Whether *text* can be shown, because it isn't a misplaced secret."""
    root, *parts = text.split("/")
    is_absolute = not root and any(parts[:1])  # base64 may begin with //
    return is_absolute and os.path.isdir(f"/{parts[0]}")  # noqa: PTH112 - never raises
