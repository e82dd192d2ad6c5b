"""What is accepted and not yet settled; the only code that knows SQL."""

from exporter.spool.dead_letters import (
    Choice,
    DeadLetter,
    Handled,
    Unreadable,
    Verdict,
    Window,
)
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
from exporter.spool.store import Accepted
from exporter.spool.totals import Held
from exporter.spool.waiting import Entry

__all__ = [
    "Accepted",
    "Batch",
    "Choice",
    "DeadLetter",
    "Entry",
    "Handled",
    "Held",
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
    "Verdict",
    "Window",
    "open_spool",
]
