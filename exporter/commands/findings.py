"""What `check` found, and what to do about it."""

import enum
from dataclasses import dataclass
from functools import partial


class Level(enum.StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    """It works, but needs a look."""
    PROBLEM = "problem"
    """It keeps events from being delivered."""


@dataclass(frozen=True)
class Finding:
    """A fact about the setup; the remedy is empty if nothing is wrong."""

    level: Level
    text: str
    remedy: str = ""


ok = partial(Finding, Level.OK)
warning = partial(Finding, Level.WARNING)
problem = partial(Finding, Level.PROBLEM)
