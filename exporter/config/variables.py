"""Variables with our prefix that no setting reads: misspelled, or meant for others."""

import difflib
import os
import re
from collections.abc import Mapping
from itertools import chain

from exporter.config.backend import names_in, settings_of
from exporter.config.connector import OWN, notice
from exporter.config.declaration import PREFIX
from exporter.config.reading import SERVICE_LINK
from exporter.config.settings import DECLARED, SettingsError, only

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


def shared() -> str:
    """Return a sentence about variables of Camunda's connector; "" without any."""
    return notice(os.environ)


def unknown() -> list[str]:
    """Return a sentence for each variable with our prefix that isn't a setting."""
    backends = _backends()
    declared = [*DECLARED, *chain.from_iterable(map(settings_of, backends or ()))]
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
            wrong = f"is of a backend that {PREFIX}BACKENDS doesn't name"
        elif named and (rest := name.removeprefix(named[0])) in known:
            wrong = f"can't be set for one backend: it is {PREFIX}{rest}"
        else:
            meant = difflib.get_close_matches(name, known, n=1)
            wrong = "is no setting" + "".join(f": is {PREFIX}{x} meant?" for x in meant)
        found.append(f"{variable} {wrong}")
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
