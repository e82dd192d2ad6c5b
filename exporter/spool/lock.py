"""One service per spool: whoever comes second is told who is there."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporter.spool.errors import SpoolInUseError, SpoolUnusableError

FILE = "lock"
LOOKS_SECONDS = 0.5
"""How long somebody may look whether there is a holder; a holder stays for longer."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """
    Hold *directory* until the end of the block, or of the process, however it ends.

    Raises `SpoolInUseError` with the host and pid of the holder, and
    `SpoolUnusableError` when the directory can't be written.
    """
    try:
        file = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
    try:
        _insist(file, directory)
        with suppress(OSError):  # a full disk must not keep the backlog from going out
            os.ftruncate(file, 0)
            os.write(file, f"host {socket.gethostname()}, pid {os.getpid()}".encode())
        yield
    finally:
        os.close(file)


def is_locked(directory: Path) -> bool:
    """
    Whether somebody holds *directory*; changes nothing there.

    Raises `SpoolUnusableError` when that can't be found out.
    """
    try:
        file = os.open(directory / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
    try:
        _lock(file, directory, fcntl.LOCK_SH)
    except SpoolInUseError:
        return True
    finally:
        os.close(file)
    return False


def _insist(file: int, directory: Path) -> None:
    """Lock *file*, and wait for whoever only looked whether it is locked."""
    deadline = time.monotonic() + LOOKS_SECONDS
    while True:
        try:
            return _lock(file, directory, fcntl.LOCK_EX)
        except SpoolInUseError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _lock(file: int, directory: Path, kind: int) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(file, 200, 0).decode(errors="replace") or "another service"
        raise SpoolInUseError(directory, holder) from error
    except OSError as error:
        raise SpoolUnusableError(directory, error) from error
