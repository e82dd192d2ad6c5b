"""Variables with the exporter's prefix that no setting reads."""

import difflib
import os
import re
from collections.abc import Mapping

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
    try:
        backends = names_in(only("backend_names").backend_names)
    except SettingsError:  # reported elsewhere
        return []
    declared = [*DECLARED, *(x for name in backends for x in settings_of(name))]
    variables = {name for each in declared for name in (each.variable, each.file)}
    known = sorted(name.removeprefix(PREFIX) for name in variables)
    found = []
    for variable, text in sorted(os.environ.items()):
        name = variable.removeprefix(PREFIX)
        if name == variable or variable in (*variables, *IGNORED, *OWN):
            continue
        if not SERVICE_LINK.fullmatch(f"{variable}={text}"):
            found.append(f"{variable} {_problem(name, known, backends)}")
    return found


def _problem(name: str, known: list[str], backends: list[str]) -> str:
    """Describe the mistake in the variable *name*, given without prefix."""
    if named := NAMED.match(name):
        if named[1].lower() not in backends:
            return f"belongs to a backend that {PREFIX}BACKENDS doesn't list"
        if (plain := name.removeprefix(named[0])) in known:
            return f"can't be set for one backend; set {PREFIX}{plain}"
    meant = difflib.get_close_matches(name, known, n=1)
    return "isn't a setting" + "".join(f"; did you mean {PREFIX}{x}?" for x in meant)


def names_a_backend(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether *environ* configures a backend, rightly or wrongly."""
    return any(
        value.strip() and A_BACKEND.fullmatch(name) for name, value in environ.items()
    )
