"""From the spool to a backend: slots, attempts, outcomes, and when to try again."""

from exporter.delivery.backend import Backend, credentials, open_session
from exporter.delivery.delivery import Attempt, Delivery, Plan
from exporter.delivery.names import look_up
from exporter.delivery.outcome import Answer, Outcome, outcome_of, outcomes_of, remedy
from exporter.delivery.request import EMPTY, limits_of

__all__ = [
    "EMPTY",
    "Answer",
    "Attempt",
    "Backend",
    "Delivery",
    "Outcome",
    "Plan",
    "credentials",
    "limits_of",
    "look_up",
    "open_session",
    "outcome_of",
    "outcomes_of",
    "remedy",
]
