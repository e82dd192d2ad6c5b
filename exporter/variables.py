"""Variables with our prefix that no setting reads: misspelled, or meant for others."""

import difflib
import os
import re
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from exporter.connector import OWN, Notice, notices
from exporter.declaration import PREFIX, SERVICE_LINK
from exporter.settings import DECLARED, SettingsError, only
from exporter.settings_backend import names_in
from exporter.settings_names import of_backend

NAMED = re.compile(r"BACKEND_([A-Z0-9]+)_")
A_BACKEND = re.compile(rf"{PREFIX}((BACKEND_[A-Z0-9]+_)?URL|BACKENDS)(_FILE)?")

IGNORED = {
    f"{PREFIX}MAX_RETRIES": "a batch is tried until the backend takes it",
    f"{PREFIX}RETRY_DELAY_MS": "waits begin short and grow to a minute",
    f"{PREFIX}CONTINUE_ON_ERROR": "a bad event becomes a dead letter, the rest goes on",
}
"""Settings of the official exporter that mean nothing here, and why."""


def ignored() -> dict[str, str]:
    """Return the variables of this environment that are no mistake, and do nothing."""
    return {name: why for name, why in IGNORED.items() if name in os.environ}


def shared() -> list[Notice]:
    """Return what to say where Camunda's connector has this environment, too."""
    return list(notices(os.environ))


class Unknown(NamedTuple):
    """A variable with our prefix that nothing reads, and what may be meant."""

    name: str
    nearest: str | None
    of_nobody: bool = False
    """Whether it names a backend that there isn't."""
    of_all: bool = False
    """Whether what is said there of one backend is only said of the service."""

    def __str__(self) -> str:
        """Say it in a sentence."""
        if self.of_nobody:
            return f"{self.name} is of a backend that {PREFIX}BACKENDS doesn't name"
        if self.of_all:
            return f"{self.name} can't be said of one backend: it is {self.nearest}"
        meant = f": is {self.nearest} meant?" if self.nearest else ""
        return f"{self.name} is no setting{meant}"


def unknown() -> list[Unknown]:
    """Return the variables with our prefix that are no settings."""
    backends = _backends()
    declared = [*DECLARED, *chain.from_iterable(map(of_backend, backends or ()))]
    known = [each.variable.removeprefix(PREFIX) for each in declared]
    known += [f"{name}_FILE" for name in known]
    found = []
    for variable, text in sorted(os.environ.items()):
        name = variable.removeprefix(PREFIX)
        if name == variable or name in known or variable in (*IGNORED, *OWN):
            continue
        if SERVICE_LINK.fullmatch(f"{variable}={text}"):
            continue
        named = NAMED.match(name)
        if named and backends is None:
            continue  # it isn't known whose it is, and why is said elsewhere
        if named and named[1].lower() not in (backends or ()):
            found.append(Unknown(variable, None, of_nobody=True))
            continue
        if named and (rest := name.removeprefix(named[0])) in known:
            found.append(Unknown(variable, PREFIX + rest, of_all=True))
            continue
        nearest = difflib.get_close_matches(name, known, n=1)
        found.append(Unknown(variable, PREFIX + nearest[0] if nearest else None))
    return found


def _backends() -> list[str] | None:
    """Return the names of backends; None when what lists them can't be used."""
    try:
        return names_in(only("backend_names")["backend_names"])
    except SettingsError:
        return None


def names_a_backend(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether *environ* is, or tries to be, that of a service."""
    return any(
        value.strip() and A_BACKEND.fullmatch(name) for name, value in environ.items()
    )
