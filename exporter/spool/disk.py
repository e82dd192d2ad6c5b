"""
Watch the disk and the files of the spool.

Delivery needs free space too: deleting an event first adds to the write-ahead log. So
new events are refused while some space is left. While the writer is idle, the space of
delivered events is returned to the disk, in small steps.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolDiskFullError,
    SpoolLostError,
)

MARK = "damaged"
"""The name of a file that tells the next start of damage it might not notice."""
RESERVE_BYTES = 64 * 1024 * 1024
"""Several times the size that the log reaches between two checkpoints."""
KEPT_BYTES = 16 * 1024 * 1024
"""The file keeps this much free space, and the log this size."""
STEP_PAGES = 64
"""Pages returned in one step, which takes some milliseconds."""


class Disk:
    """The database file and its write-ahead log; for the writer's thread."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self._file = file
        self._connection = connection
        # Every append calls `os.stat` for both. With `Path`, it takes three times as
        # long.
        self._watched = (f"{file}", f"{file}-wal")
        self._stats: dict[str, os.stat_result] = {}
        self._shrunk = False
        """Whether returned pages are still part of the file."""
        self._page_size = self._number("page_size")
        self._number(f"journal_size_limit = {KEPT_BYTES}")
        self._refresh()

    def check(self) -> None:
        """Raise a `SpoolFailedError` if the disk can't take new events."""
        self._refresh()
        filesystem = os.statvfs(self._watched[0])
        left = filesystem.f_bavail * filesystem.f_frsize
        if left >= 4 * RESERVE_BYTES:
            return
        # Pages that are only in the log will also need space in the file.
        size = self._stats[self._watched[0]].st_size
        left -= max(0, self._number("page_count") * self._page_size - size)
        free = self._number("freelist_count") * self._page_size
        no_log = left < RESERVE_BYTES // 4
        if no_log or left + free < RESERVE_BYTES:
            raise SpoolDiskFullError(left, free, RESERVE_BYTES, hopeless=no_log)

    def give_back(self) -> bool:
        """Return a little space to the disk, and True if there is more."""
        free = self._number("freelist_count")
        step = min(STEP_PAGES, free - KEPT_BYTES // self._page_size)
        if step > 0:
            # `execute` would only run the first step of this pragma.
            self._connection.executescript(f"PRAGMA incremental_vacuum({step})")
            self._shrunk = True
            return self._number("freelist_count") < free
        log = self._watched[1]
        if self._shrunk or os.stat(log).st_size > KEPT_BYTES:  # noqa: PTH116
            # The checkpoint truncates the file and the log.
            self._shrunk = False
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._stats.pop(log, None)
        return False

    def mark_damaged(self, reason: object) -> SpoolDamagedError:
        """Make the next start salvage the file, and return the error to report."""
        mark = self._file.with_name(MARK)
        with suppress(OSError):  # the next start may notice the damage by itself
            mark.write_text(f"{reason}\n")
            sync(mark)
            sync(mark.parent)
        return SpoolDamagedError(self._file, reason)

    def _refresh(self) -> None:
        """Raise `SpoolLostError` if a file was removed, replaced or truncated."""
        for path in self._watched:
            before = self._stats.get(path)
            try:
                now = os.stat(path)  # noqa: PTH116
            except FileNotFoundError:
                if before is None:
                    continue  # the first write creates the log
                raise SpoolLostError(Path(path)) from None
            if before is not None and (
                (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino)
                or now.st_size < min(before.st_size, KEPT_BYTES)
            ):
                raise SpoolLostError(Path(path))
            self._stats[path] = now

    def _number(self, pragma: str) -> int:
        (number,) = self._connection.execute(f"PRAGMA {pragma}").fetchone()
        return int(number)


def make_directory(directory: Path) -> None:
    """Create *directory* and its parents so that they survive a loss of power."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the file or directory at *path* is on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
