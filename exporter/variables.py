"""Variables with our prefix that no setting reads: misspelled, or meant for others."""

import difflib
import os
from collections.abc import Mapping
from typing import NamedTuple

from exporter.declaration import PREFIX, SERVICE_LINK
from exporter.settings import DECLARED

IGNORED = {
    f"{PREFIX}MAX_RETRIES": "a batch is tried until the backend takes it",
    f"{PREFIX}RETRY_DELAY_MS": "waits begin short and grow to a minute",
    f"{PREFIX}CONTINUE_ON_ERROR": "a bad event becomes a dead letter, the rest goes on",
}
"""Settings of the official exporter that mean nothing here, and why."""


def ignored() -> dict[str, str]:
    """Return the variables of this environment that are no mistake, and do nothing."""
    return {name: why for name, why in IGNORED.items() if name in os.environ}


class Unknown(NamedTuple):
    """A variable with our prefix that nothing reads, and what may be meant."""

    name: str
    nearest: str | None

    def __str__(self) -> str:
        """Say it in a sentence."""
        meant = f": is {self.nearest} meant?" if self.nearest else ""
        return f"{self.name} is no setting{meant}"


def unknown() -> list[Unknown]:
    """Return the variables with our prefix that are no settings."""
    known = [declared.variable.removeprefix(PREFIX) for declared in DECLARED]
    known += [f"{name}_FILE" for name in known]
    found = []
    for variable, text in sorted(os.environ.items()):
        name = variable.removeprefix(PREFIX)
        if name == variable or name in known or variable in IGNORED:
            continue
        if SERVICE_LINK.fullmatch(f"{variable}={text}"):
            continue
        nearest = difflib.get_close_matches(name, known, n=1)
        found.append(Unknown(variable, PREFIX + nearest[0] if nearest else None))
    return found


def names_a_backend(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether *environ* is, or tries to be, that of a service."""
    named = (environ.get(f"{PREFIX}URL{suffix}", "") for suffix in ("", "_FILE"))
    return any(each.strip() for each in named)
