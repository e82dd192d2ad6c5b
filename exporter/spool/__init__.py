"""What is accepted and not yet settled; the only code that knows SQL."""

from exporter.spool.dead_letters import Choice, DeadLetter, Unreadable, Verdict
from exporter.spool.errors import (
    SpoolFailedError,
    SpoolFullError,
    SpoolInUseError,
    SpoolLostError,
)
from exporter.spool.outbox import Batch, Limits, Outbox
from exporter.spool.spool import Spool, open_spool
from exporter.spool.store import Accepted, Entry

__all__ = [
    "Accepted",
    "Batch",
    "Choice",
    "DeadLetter",
    "Entry",
    "Limits",
    "Outbox",
    "Spool",
    "SpoolFailedError",
    "SpoolFullError",
    "SpoolInUseError",
    "SpoolLostError",
    "Unreadable",
    "Verdict",
    "open_spool",
]
