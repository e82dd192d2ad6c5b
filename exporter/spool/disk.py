"""
What SQLite doesn't tell in time of the disk below it.

Delivering needs room, too: a settled event is first of all one more entry in the
write-ahead log. So new events are refused while there still is some. What a backlog
took is given back step by step while the writer has nothing else to do.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from exporter.spool.errors import (
    SpoolDamagedError,
    SpoolDiskFullError,
    SpoolLostError,
    SpoolUnusableError,
)
from exporter.spool.salvage import mark

RESERVE_BYTES = 64 * 1024 * 1024
"""Several times what the log grows to between two checkpoints."""
KEPT_BYTES = 16 * 1024 * 1024
"""Neither the free pages of the file nor the log are made smaller than this."""
STEP_PAGES = 64
"""Pages given back in one step: some milliseconds."""


class Disk:
    """Watches the place of one database: its file, and the log beside it."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        """Remember what is there now; *connection* to it stays with the caller."""
        self._file = file
        self._connection = connection
        # Texts, because every append looks: paths make that take three times as long.
        self._watched = (f"{file}", f"{file}-wal")
        self._known: dict[str, os.stat_result] = {}
        self._shrunk = False
        """Whether pages were given back that the file itself still has."""
        self._page_size = self._number("page_size")
        self._number(f"journal_size_limit = {KEPT_BYTES}")
        self._look()

    def check(self) -> None:
        """Raise `SpoolDiskFullError` or `SpoolLostError` when no more is accepted."""
        self._look()
        filesystem = os.statvfs(self._watched[0])
        left = filesystem.f_bavail * filesystem.f_frsize
        if left >= 4 * RESERVE_BYTES:
            return
        # The file grows by what only the log has; the next events need its free pages.
        size = self._known[self._watched[0]].st_size
        left -= max(0, self._number("page_count") * self._page_size - size)
        free = self._number("freelist_count") * self._page_size
        no_log = left < RESERVE_BYTES // 4
        if no_log or left + free < RESERVE_BYTES:
            raise SpoolDiskFullError(left, free, RESERVE_BYTES, hopeless=no_log)

    def give_back(self) -> bool:
        """
        Make the file or its log a little smaller; return whether more could be done.

        For the writer's thread, between transactions.
        """
        free = self._number("freelist_count")
        step = min(STEP_PAGES, free - KEPT_BYTES // self._page_size)
        if step > 0:
            # As a script: a pragma without columns is only stepped once otherwise.
            self._connection.executescript(f"PRAGMA incremental_vacuum({step})")
            self._shrunk = True
            return self._number("freelist_count") < free
        log = self._watched[1]
        if self._shrunk or os.stat(log).st_size > KEPT_BYTES:  # noqa: PTH116 - as above
            # Only now the file is cut off, and the log with it.
            self._shrunk = False
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._known.pop(log, None)
        return False

    def condemn(self, reason: object) -> SpoolDamagedError:
        """Let the next start salvage the file; return why nothing more goes into it."""
        with suppress(OSError):  # then it will be found again
            mark(self._file, reason)
        return SpoolDamagedError(self._file, reason)

    def _look(self) -> None:
        """Compare both with what they were; neither is ever replaced, nor cut off."""
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
                or now.st_size < min(before.st_size, KEPT_BYTES)
            ):
                raise SpoolLostError(Path(path))
            self._known[path] = now

    def _number(self, pragma: str) -> int:
        (number,) = self._connection.execute(f"PRAGMA {pragma}").fetchone()
        return int(number)


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
