"""From the spool to a backend: slots, attempts, outcomes, and when to try again."""

from exporter.delivery.backend import Backend, credentials, open_session
from exporter.delivery.breaker import Cause, State
from exporter.delivery.delivery import Attempt, Delivery, Plan
from exporter.delivery.outcome import Answer, Outcome, outcome_of, outcomes_of, remedy
from exporter.delivery.request import EMPTY, limits_of

__all__ = [
    "EMPTY",
    "Answer",
    "Attempt",
    "Backend",
    "Cause",
    "Delivery",
    "Outcome",
    "Plan",
    "State",
    "credentials",
    "limits_of",
    "open_session",
    "outcome_of",
    "outcomes_of",
    "remedy",
]
