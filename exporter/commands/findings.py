"""What `check` found, and what to do about it."""

import enum
from dataclasses import dataclass


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


def ok(text: str) -> Finding:
    """Return a finding that needs no remedy."""
    return Finding(Level.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Return a finding that needs a look."""
    return Finding(Level.WARNING, text, remedy)


def problem(text: str, remedy: str) -> Finding:
    """Return a finding that keeps events from being delivered."""
    return Finding(Level.PROBLEM, text, remedy)
