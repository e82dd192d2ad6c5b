"""
Read declared settings from the environment, or from the files it names.

What is wrong becomes a line that names the variable, and never shows a secret.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from environs import EnvValidationError, FileAwareEnv

from exporter.base.reread import text_of
from exporter.config.connector import not_ours
from exporter.config.declaration import SERVICE_LINK, Declared, MistakeError


def read_all(
    settings: Iterable[Declared], usual: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """
    Return the values of *settings*, and what is wrong with the others.

    What isn't said is as in *usual*, or else as it was declared.
    """
    env = FileAwareEnv(strip_whitespace=True)
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for declared in settings:
        if usual and declared.name in usual:
            declared = declared._replace(default=usual[declared.name])  # noqa: PLW2901
        try:
            values[declared.name] = _read(env, declared)
        except MistakeError as mistake:
            mistakes.append(str(mistake))
    return values, mistakes


def files_of(settings: Iterable[Declared]) -> dict[str, Path]:
    """Return the files that *settings* are read from."""
    named = {each.name: os.environ.get(f"{each.variable}_FILE") for each in settings}
    return {name: Path(path) for name, path in named.items() if path}


def _read(env: FileAwareEnv, declared: Declared) -> object:
    variable, right = declared.variable, declared.must.be
    by_file = f"{variable}_FILE"
    text, path = os.environ.get(variable, ""), os.environ.get(by_file, "")
    if SERVICE_LINK.fullmatch(f"{variable}={text}") or variable in not_ours(os.environ):
        text = ""
    if declared.foreign and text.strip() in ("", "null"):
        text = ""
    if text and path:
        raise MistakeError(variable, f"and {by_file} are both set", "only one of them")
    if not text and not path:
        if declared.required:
            raise MistakeError(variable, "is not set", right)
        return declared.default
    read: Callable[..., Any] = env.int if declared.kind is int else env.str
    try:
        value = read(
            variable, validate=declared.must, error_messages={"invalid": right}
        )
    except EnvValidationError:
        name, wrong, why = variable, f"is {declared.shown(text)!r}", ""
        if path:
            name, wrong = by_file, "names a file whose content can't be used"
            right = f"one that holds {right}"
            # Where, and nothing of it: it may be a secret that somebody misplaced.
            with suppress(OSError, ValueError):
                why = declared.must.where(text_of(Path(path)))
        else:
            why = declared.must.why(text)
        if why:
            wrong += f": {why}"
        raise MistakeError(name, wrong, right) from None
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else "no UTF-8 text"
        shown = path if _is_path(path) else declared.shown(path)
        wrong = f"is {shown!r} ({reason})"
        raise MistakeError(by_file, wrong, "the path of a readable text file") from None
    return declared.kind(value)


def _is_path(text: str) -> bool:
    """Whether *text* may be shown: it isn't a secret that somebody misplaced."""
    root, *parts = Path(text).parts or ("",)
    return root == "/" and bool(parts) and Path(root, parts[0]).is_dir()
