"""
What SQLite doesn't tell in time of the disk below it.

Delivering needs room, too: a settled event is first of all one more entry in the
write-ahead log. So new events are refused while there still is some.
"""

import os
from contextlib import suppress
from pathlib import Path

from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolFailedError,
    SpoolLostError,
    SpoolUnusableError,
)
from exporter.spool.salvage import mark

RESERVE_BYTES = 64 * 1024 * 1024
"""Several times what the log grows to between two checkpoints."""


class Disk:
    """Watches the place of one database: its file, and the log beside it."""

    def __init__(self, file: Path) -> None:
        """Remember what is there now."""
        self._file = file
        # Texts, because every append looks: paths make that take three times as long.
        self._watched = (f"{file}", f"{file}-wal")
        self._known: dict[str, os.stat_result] = {}
        self._look()

    def check(self) -> None:
        """Raise `SpoolFailedError` or `SpoolLostError` when no more may be accepted."""
        self._look()
        filesystem = os.statvfs(self._watched[0])
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

    def _look(self) -> None:
        """Compare both with what they were; neither is ever replaced, nor shrinks."""
        for path in self._watched:
            before = self._known.get(path)
            try:
                now = os.stat(path)  # noqa: PTH116 - as above
            except FileNotFoundError:
                if before is None:
                    continue  # the log comes with the first write
                raise SpoolLostError(Path(path)) from None
            if before is not None and (
                (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino)
                or now.st_size < before.st_size
            ):
                raise SpoolLostError(Path(path))
            self._known[path] = now


def make(directory: Path) -> None:
    """Make *directory* and the way to it, so that a loss of power leaves it there."""
    try:
        lacking = [p for p in (directory, *directory.parents) if not p.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in lacking:
            parent = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
