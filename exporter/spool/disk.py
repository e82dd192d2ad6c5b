"""
What SQLite doesn't tell in time of the disk below it.

Delivering needs room, too: a settled event is first of all one more entry in the
write-ahead log. So new events are refused while there still is some.
"""

import os
from contextlib import suppress
from pathlib import Path

from exporter.spool.errors import SpoolDamagedError, SpoolFailedError, SpoolLostError
from exporter.spool.salvage import mark

RESERVE_BYTES = 64 * 1024 * 1024
"""Several times what the log grows to between two checkpoints."""


class Disk:
    """Watches the place of one file."""

    def __init__(self, file: Path) -> None:
        """Remember which *file* is there now."""
        self._file = file
        self._there = self._look()

    def check(self) -> None:
        """Raise `SpoolFailedError` or `SpoolLostError` when no more may be accepted."""
        if self._look() != self._there:
            raise SpoolLostError(self._file)
        filesystem = os.statvfs(self._file)
        left = filesystem.f_bavail * filesystem.f_frsize
        if left < RESERVE_BYTES:
            raise SpoolFailedError(
                f"the disk has {left} bytes left, and {RESERVE_BYTES} are kept free so "
                "that what is held can still be delivered"
            )

    def condemn(self, reason: object) -> SpoolDamagedError:
        """Let the next start salvage the file; return why nothing more goes into it."""
        with suppress(OSError):  # then it will be found again
            mark(self._file, reason)
        return SpoolDamagedError(self._file, reason)

    def _look(self) -> tuple[int, int] | None:
        try:
            there = self._file.stat()
        except FileNotFoundError:
            return None
        return there.st_dev, there.st_ino
