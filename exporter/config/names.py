"""
Whose settings are whose, where there are several backends.

The variables of one have its name in theirs. What isn't said of it is as the plain name
says, but for what is `own`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from exporter.config import transport as settings_transport
from exporter.config.backend import BackendSettings
from exporter.config.connector import not_ours
from exporter.config.declaration import PREFIX, Declared, MistakeError, declared_in
from exporter.events import ONLY_BACKEND

OF_BACKEND = declared_in(BackendSettings)
OWN_URL = re.compile(rf"{PREFIX}BACKEND_[A-Z0-9]+_URL(_FILE)?")


def prefix_of(backend: str) -> str:
    """Return what the variables of *backend* begin with."""
    return PREFIX if backend == ONLY_BACKEND else f"{PREFIX}BACKEND_{backend.upper()}_"


def of_backend(name: str) -> tuple[Declared, ...]:
    """Return the settings of the backend *name*."""
    return tuple(each._replace(prefix=prefix_of(name)) for each in OF_BACKEND)


def conflicts_of(name: str, own: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong between the settings of a backend, by where it was said."""
    inherited = {
        plain.variable
        for plain, each in zip(OF_BACKEND, of_backend(name), strict=True)
        if not each.own
        and not any(os.environ.get(each.variable + end) for end in ("", "_FILE"))
    }
    for mistake in settings_transport.conflicts(own):
        here = mistake.variable not in inherited
        yield str(mistake).replace(PREFIX, prefix_of(name) if here else PREFIX)


def unlisted() -> Iterator[str]:
    """Yield that a backend has a URL of its own, and none is listed."""
    for variable, text in sorted(os.environ.items()):
        if OWN_URL.fullmatch(variable) and text:
            right = "the names of all backends"
            wrong = f"is not set, while {variable} is"
            yield str(MistakeError(f"{PREFIX}BACKENDS", wrong, right))
            return


def said_of_nobody(name: str) -> Iterator[str]:
    """Yield what is said of one backend while there are several."""
    theirs = not_ours(os.environ)
    for declared in OF_BACKEND:
        for end in ("", "_FILE"):
            variable = declared.variable + end
            if declared.own and os.environ.get(variable) and variable not in theirs:
                yield str(
                    MistakeError(
                        variable,
                        f"is set together with {PREFIX}BACKENDS",
                        "set for one of them, like "
                        f"{prefix_of(name)}{declared.name.upper()}{end}",
                    )
                )
