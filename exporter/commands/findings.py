"""What a check found out, and what to do about it."""

import enum
from dataclasses import dataclass, replace


class Level(enum.StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    """Works, but should be looked at."""
    PROBLEM = "problem"
    """Events won't be delivered like this."""


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it (nothing, when it is right)."""

    level: Level
    text: str
    remedy: str = ""

    def about(self, backend: str) -> "Finding":
        """Return the same, with the name of the *backend* it is about."""
        return replace(self, text=f"{backend}: {self.text}")


def ok(text: str) -> Finding:
    """Return the finding that *text* is as it should be."""
    return Finding(Level.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Return the finding that *text* works, but shouldn't stay so."""
    return Finding(Level.WARNING, text, remedy)


def problem(text: str, remedy: str) -> Finding:
    """Return the finding that *text* keeps events from being delivered."""
    return Finding(Level.PROBLEM, text, remedy)
