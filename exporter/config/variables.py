"""Variables with the exporter's prefix that no setting reads."""

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
    f"{PREFIX}MAX_RETRIES": "a batch is sent until the backend accepts it",
    f"{PREFIX}RETRY_DELAY_MS": "the delay grows from short to one minute",
    f"{PREFIX}CONTINUE_ON_ERROR": "a bad event becomes a dead letter by itself",
}
"""Settings of the official exporter that have no effect, and why."""


def ignored() -> dict[str, str]:
    """Return the variables of the official exporter that have no effect, and why."""
    return {name: why for name, why in IGNORED.items() if name in os.environ}


def shared() -> str:
    """Return a sentence about the variables of Camunda's connector, if any are set."""
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
            continue  # the list of backends is wrong, which is reported elsewhere
        if named and named[1].lower() not in (backends or ()):
            wrong = f"belongs to a backend that {PREFIX}BACKENDS doesn't list"
        elif named and (rest := name.removeprefix(named[0])) in known:
            wrong = f"can't be set for one backend; set {PREFIX}{rest}"
        else:
            meant = difflib.get_close_matches(name, known, n=1)
            guess = "".join(f"; did you mean {PREFIX}{each}?" for each in meant)
            wrong = f"isn't a setting{guess}"
        found.append(f"{variable} {wrong}")
    return found


def _backends() -> list[str] | None:
    """Return the names of all backends; None if the list can't be used."""
    try:
        return names_in(only("backend_names")["backend_names"])
    except SettingsError:
        return None


def names_a_backend(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether *environ* configures a backend, rightly or wrongly."""
    return any(
        value.strip() and A_BACKEND.fullmatch(name) for name, value in environ.items()
    )
