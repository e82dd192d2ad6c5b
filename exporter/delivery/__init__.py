"""From the spool to a backend: slots, attempts, outcomes, and when to try again."""

from exporter.delivery.backend import Backend
from exporter.delivery.breaker import Cause, State
from exporter.delivery.credentials import Credentials
from exporter.delivery.delivery import Delivery
from exporter.delivery.names import look_up
from exporter.delivery.oauth import OAuth
from exporter.delivery.outcome import Answer, Outcome, outcome_of, outcomes_of, remedy
from exporter.delivery.plan import Attempt, Plan
from exporter.delivery.request import empty, limits_of
from exporter.delivery.transport import Transport, open_transport

__all__ = [
    "Answer",
    "Attempt",
    "Backend",
    "Cause",
    "Credentials",
    "Delivery",
    "OAuth",
    "Outcome",
    "Plan",
    "State",
    "Transport",
    "empty",
    "limits_of",
    "look_up",
    "open_transport",
    "outcome_of",
    "outcomes_of",
    "remedy",
]
