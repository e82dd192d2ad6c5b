"""
From the spool to a backend: slots, attempts, outcomes and retries.

The states of a piece, which is a batch or a part of one:

                       +--- give back: after 3 failures in a row, or a slow failure
                       v                              |
    outbox -- take --> in a slot -- delivered --> settled
                       |  ^   |
     more than 1 event |  |   | 1 event: fails or is refused
                       v  |   v
                     halves  parked, with its lane
                                |        |
                     when due   |        | refused: suspect
                                v        v
                        in a slot       in a slot, after a success that began later
                        |       |        |            |
                  fails |       |        | delivered  | refused again
                        v       v        v            v
                     parked  settled  settled    dead letter

Pieces that are known to fail get an eighth of the slots' time. The reasons are in
docs/decisions/0014.
"""

from exporter.delivery.auth.credentials import Credentials
from exporter.delivery.auth.oauth import OAuth
from exporter.delivery.backend import Backend
from exporter.delivery.breaker import Cause, State
from exporter.delivery.delivery import Delivery
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
    "open_transport",
    "outcome_of",
    "outcomes_of",
    "remedy",
]
