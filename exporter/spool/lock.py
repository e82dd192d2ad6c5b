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

    Raises `SpoolInUseError` with the host and pid of the other process, and
    `SpoolUnusableError` when the directory can't be written.
    """
    try:
        file = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
    try:
        deadline = time.monotonic() + CHECK_SECONDS
        while not _lock(file, directory, fcntl.LOCK_EX):
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
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
    try:
        return not _lock(file, directory, fcntl.LOCK_SH)
    finally:
        os.close(file)


def _lock(file: int, directory: Path, kind: int) -> bool:
    """Try to lock *file*, and return whether it worked."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
    return True
