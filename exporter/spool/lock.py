"""Allow one service per spool, with a lock file that names the service."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.spool.errors import SpoolInUseError, SpoolUnusableError

FILE = "lock"
CHECK_SECONDS = 0.5
"""How long `is_locked` may hold the lock while it checks."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """
    Lock *directory* until the end of the block or of the process.

    Raises `SpoolInUseError` with the host and pid of the other process, or `OSError`.
    """
    file = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + CHECK_SECONDS
        while not _lock(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                holder = os.pread(file, 200, 0).decode(errors="replace")
                raise SpoolInUseError(directory, holder or "another service")
            time.sleep(0.01)  # another process may only be checking
        with suppress(OSError):  # delivery must start even if the disk is full
            os.ftruncate(file, 0)
            os.write(file, f"host {socket.gethostname()}, pid {os.getpid()}".encode())
        yield
    finally:
        os.close(file)


def is_locked(directory: Path) -> bool:
    """
    Whether a process has locked *directory*; changes nothing there.

    Raises `SpoolUnusableError` when the lock file can't be read.
    """
    try:
        file = os.open(directory / FILE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return not _lock(file, fcntl.LOCK_SH)
        finally:
            os.close(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
