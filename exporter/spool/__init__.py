"""What is accepted and not yet settled; the only code that knows SQL."""

from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolFailedError,
    SpoolFullError,
    SpoolInUseError,
    SpoolLostError,
)
from exporter.spool.outbox import Batch, Limits, Outbox
from exporter.spool.salvage import Salvaged
from exporter.spool.spool import Spool, open_spool
from exporter.spool.store import Accepted, Entry, Unreadable

__all__ = [
    "Accepted",
    "Batch",
    "Entry",
    "Limits",
    "Outbox",
    "Salvaged",
    "Spool",
    "SpoolDamagedError",
    "SpoolFailedError",
    "SpoolFullError",
    "SpoolInUseError",
    "SpoolLostError",
    "Unreadable",
    "open_spool",
]
