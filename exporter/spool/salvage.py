"""
What becomes of a damaged file: what can be read goes into a new one in its place.

The damaged file is never written to, nor deleted: it's set aside under a dated name.
A kill at any moment loses nothing. While the file is in its place, the new one beside
it is built from the start; once it's set aside, the new one is known to be complete.
"""

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from exporter.spool.database import VERSION, create, is_damage
from exporter.spool.errors import (
    SpoolUnsoundError,
    SpoolUnusableError,
)
from exporter.spool.rescue import rescue
from exporter.spool.waiting import newest_of_each

MARK = "damaged"
"""A file that says: damage was found while running, where opening may not look."""
NEW = ".new"
SALVAGED = ".salvaged"
BESIDE = ("-wal", "-shm", "-journal")

# Where damage shows without reading all: the totals, and both ends of every tree.
LOOKS = (
    "SELECT * FROM held",
    "SELECT body FROM event ORDER BY sequence LIMIT 1",
    "SELECT body FROM event ORDER BY sequence DESC LIMIT 1",
    "SELECT body FROM dead_letter ORDER BY sequence LIMIT 1",
    "SELECT body FROM dead_letter ORDER BY sequence DESC LIMIT 1",
    "SELECT * FROM identity ORDER BY 1, 2, 3, 4, 5 LIMIT 1",
    "SELECT * FROM identity ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC, 5 DESC LIMIT 1",
)

HELD = "SELECT what, sum(rows) FROM held GROUP BY what"

log = logging.getLogger(__name__)


class Salvaged(NamedTuple):
    """What became of a damaged file."""

    aside: Path
    """Where it is now."""
    events: int
    dead_letters: int
    missing: int | None
    """Events and dead letters of it that weren't readable; None when it's unknown."""


def mend(path: Path) -> Salvaged | None:
    """
    Let a sound file be at *path*: what is there, a new one, or what can be salvaged.

    The caller holds the lock. Raises `SpoolUnusableError` when there is no room to do
    it, and `SpoolVersionError`; then it's to be tried again.
    """
    try:
        if not path.exists():
            if _beside(path, SALVAGED).exists():  # a kill came before the last step
                return _replace(path, missing=None)
            if not _size(_beside(path, "-wal")):
                _create(path)
                return None
            path.touch()
        reason = _damage(path)
        if reason is None:
            return None
        # Where nothing else is said until it's done, which may take a while.
        about = {"path": str(path), "reason": reason}
        log.error("the spool is damaged; salvaging what can be read", extra=about)
        return _replace(path, _salvage(path))
    except (OSError, sqlite3.Error) as error:
        raise SpoolUnusableError(path, error) from error


def check(path: Path) -> None:
    """Raise `SpoolUnsoundError` where `mend` would have to do something."""
    try:
        lost = not path.exists() and _beside(path, SALVAGED).exists()
        reason = "a salvage wasn't finished" if lost else _damage(path)
    except (OSError, sqlite3.Error) as error:
        raise SpoolUnusableError(path, error) from error
    if reason is not None:
        raise SpoolUnsoundError(path, reason)


def mark(path: Path, reason: object) -> None:
    """Let the next `mend` salvage the file at *path*, whatever it looks like."""
    file = path.with_name(MARK)
    file.write_text(f"{reason}\n")
    _sync(file)
    _sync(file.parent)


def _damage(path: Path) -> str | None:
    """Return how it's known that the file is damaged; its size doesn't matter."""
    if (marked := path.with_name(MARK)).exists():
        return f"found while running: {marked.read_text(errors='replace').strip()}"
    if not path.stat().st_size:
        return "the file is empty"
    # Read-only, because closing would write the log into the file; and immutable where
    # there is none, or one would be made.
    how = "mode=ro" if _size(_beside(path, "-wal")) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as file:
            (version,) = file.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                for look in LOOKS:
                    file.execute(look).fetchall()
                newest_of_each(file)
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
    finally:
        _beside(path, "-shm").unlink(missing_ok=True)
    return None


def _salvage(path: Path) -> int | None:
    """Build the new file; return how many rows are missing, if that's known."""
    salvaged = _beside(path, SALVAGED)
    try:
        with closing(_new(salvaged)) as connection:
            missing = rescue(path, connection, salvaged.read_bytes())
    except BaseException:
        salvaged.unlink(missing_ok=True)  # it may be what fills the disk
        raise
    _sync(salvaged)
    _sync(salvaged.parent)
    return missing


def _replace(path: Path, missing: int | None) -> Salvaged:
    """Set the damaged file aside, and put the new one in its place."""
    salvaged = _beside(path, SALVAGED)
    with closing(sqlite3.connect(salvaged)) as connection:
        held = dict(connection.execute(HELD))
    if path.exists():
        while _aside(path).exists():  # two in one second
            later = salvaged.stat().st_mtime + 1
            os.utime(salvaged, (later, later))
    aside = _aside(path)
    # The file before its log: as long as it's here, a salvage finds all of both.
    for suffix in ("", *BESIDE):
        if (old := _beside(path, suffix)).exists():
            old.rename(_beside(aside, suffix))
    _sync(path.parent)
    path.with_name(MARK).unlink(missing_ok=True)
    salvaged.rename(path)
    _sync(path.parent)
    return Salvaged(aside, held["event"], held["dead_letter"], missing)


def _create(path: Path) -> None:
    """Let an empty spool be at *path*, all of it or none: half of one is damage."""
    new = _beside(path, NEW)
    _new(new).close()
    _sync(new)
    path.with_name(MARK).unlink(missing_ok=True)  # which spoke of a file that is gone
    new.rename(path)
    _sync(path.parent)


def _new(path: Path) -> sqlite3.Connection:
    """Return a connection to a new file at *path*, which isn't in use until synced."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # see disk.py
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    create(connection)
    return connection


def _aside(path: Path) -> Path:
    """Return the dated name: of when the new file was ready, so that it's kept."""
    ready = time.gmtime(_beside(path, SALVAGED).stat().st_mtime)
    return _beside(path, time.strftime(".damaged-%Y-%m-%dT%H-%M-%SZ", ready))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
