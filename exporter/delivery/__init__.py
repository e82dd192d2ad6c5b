"""From the spool to a backend: slots, attempts, outcomes, and when to try again."""

from exporter.delivery.backend import Backend, open_session
from exporter.delivery.credentials import Credentials
from exporter.delivery.delivery import Attempt, Delivery, Plan
from exporter.delivery.outcome import Answer, Outcome, outcome_of, remedy
from exporter.delivery.request import EMPTY, limits_of

__all__ = [
    "EMPTY",
    "Answer",
    "Attempt",
    "Backend",
    "Credentials",
    "Delivery",
    "Outcome",
    "Plan",
    "limits_of",
    "open_session",
    "outcome_of",
    "remedy",
]
