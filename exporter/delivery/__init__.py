"""From the spool to a backend: slots, attempts, outcomes, and when to try again."""

from exporter.delivery.backend import Backend
from exporter.delivery.credentials import Credentials
from exporter.delivery.delivery import Attempt, Delivery, Plan
from exporter.delivery.oauth import OAuth
from exporter.delivery.outcome import Answer, Outcome, outcome_of, remedy
from exporter.delivery.request import EMPTY, limits_of
from exporter.delivery.transport import Transport, open_transport

__all__ = [
    "EMPTY",
    "Answer",
    "Attempt",
    "Backend",
    "Credentials",
    "Delivery",
    "OAuth",
    "Outcome",
    "Plan",
    "Transport",
    "limits_of",
    "open_transport",
    "outcome_of",
    "remedy",
]
