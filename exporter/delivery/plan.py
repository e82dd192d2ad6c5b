"""How one backend is served, and how delivery reports what happens."""

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
    """One POST of one batch, and its outcome."""

    batch: Batch
    number: int
    answer: Answer
    outcome: Outcome
    seconds: float
    parked: int = 0
    """How many pieces are parked meanwhile."""


class Observer(Protocol):
    """Counts and logs what delivery does."""

    def attempted(self, attempt: Attempt) -> None:
        """Learn of *attempt*, as soon as it is over."""

    def dead_lettered(self, batch: Batch, rejection: Rejection) -> None:
        """Learn that the events of *batch* became dead letters."""

    def switched(self, cause: Cause | None) -> None:
        """Learn that the breaker opened because of *cause*, or closed (None)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one backend is served."""

    slots: int
    """The largest number of requests in flight."""
    limits: Limits
    cluster_id: str = ""
    body_format: Format = USUAL
    """How events are written in a body."""
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    """The outcomes of statuses that differ from the usual ones."""
    retry_after_seconds: float = LONGEST_SECONDS
    """The longest wait that a backend may ask for."""
    max_age_seconds: float = 0
    """The age at which an event becomes a dead letter; 0 is never."""
    too_old: str = "older than APP_INTEGRATIONS_MAX_EVENT_AGE_MS"
    """The reason of such a dead letter."""
