"""
Keep accepted events until delivery, and dead letters, in a SQLite database.

The directory `APP_INTEGRATIONS_SPOOL_DIR` holds:

    lock            locked by the process that uses the spool
    admin.token     the token for the admin port (admin/guard.py)
    spool.sqlite    and its log spool.sqlite-wal, with these tables:
      event           a row for each waiting event and each of its backends;
                      every backend has a range of sequences (waiting.py)
      dead_letter     events that are not sent again, and unreadable records
      identity        the events of the last hours, to recognize repeats
      known           open tasks and elements that a backend knows (known.py)
      held            the number and size of events and dead letters
    spool.sqlite.damaged-<time>    a damaged file, unchanged (salvage.py)
    damaged         damage was found while the service ran (disk.py)

Each arrow is one transaction:

    broker -- append --> event -- settle --> (deleted)
                          |  ^
                   reject |  | retry
                          v  |
                      dead_letter -- drop --> (deleted)
"""

from exporter.spool.batch import Batch, Limits
from exporter.spool.dead_letters import (
    Choice,
    DeadLetter,
    Handled,
    Rejection,
    Unreadable,
    Window,
)
from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolFailedError,
    SpoolFullError,
    SpoolInUseError,
    SpoolLostError,
)
from exporter.spool.outbox import Outbox
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
    "Rejection",
    "Salvaged",
    "Spool",
    "SpoolDamagedError",
    "SpoolFailedError",
    "SpoolFullError",
    "SpoolInUseError",
    "SpoolLostError",
    "Unreadable",
    "Window",
    "open_spool",
]
