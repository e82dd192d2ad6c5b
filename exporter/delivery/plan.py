"""How one backend is to be served, and who is told what happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.delivery.breaker import LONGEST_SECONDS, Cause
from exporter.delivery.outcome import Answer, Outcome
from exporter.delivery.request import USUAL
from exporter.events import Format
from exporter.spool import Batch, Limits, Rejection


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST of one batch, and what became of it."""

    batch: Batch
    number: int
    answer: Answer
    outcome: Outcome
    seconds: float
    aside: int = 0
    """How many pieces of batches wait aside meanwhile."""


class Watch(Protocol):
    """Who wants to know what delivery does."""

    def attempted(self, attempt: Attempt) -> None:
        """Learn of *attempt*, as soon as it is over."""

    def buried(self, batch: Batch, verdict: Rejection) -> None:
        """Learn that the events of *batch* are dead letters now."""

    def switched(self, cause: Cause | None) -> None:
        """Learn that the breaker opened for *cause*, or closed when there is none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one backend is served."""

    slots: int
    """Requests in flight at once, at most."""
    limits: Limits
    cluster_id: str = ""
    written: Format = USUAL
    """How events are written."""
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    """What a status means here, where it isn't the usual."""
    retry_after_seconds: float = LONGEST_SECONDS
    """How long a backend may ask us to wait, at most."""
    max_age_seconds: float = 0
    """How old an event may become; 0 is for ever."""
    too_old: str = "older than APP_INTEGRATIONS_MAX_EVENT_AGE_MS"
    """What is said of one that did."""
