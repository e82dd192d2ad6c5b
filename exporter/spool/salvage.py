"""
Replace a damaged file with a new one that has all readable rows.

The damaged file is never changed or deleted: it gets a dated name. A kill at any moment
loses nothing. While the damaged file has its name, the next start builds the new file
again. When the damaged file is renamed, the new file is complete.
"""

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from exporter.spool.database import VERSION, create, is_damage
from exporter.spool.errors import SpoolUnsoundError, SpoolUnusableError
from exporter.spool.rescue import rescue
from exporter.spool.waiting import newest_of_each

MARK = "damaged"
"""The name of a file that tells the next start of damage it might not notice."""
NEW = ".new"
SALVAGED = ".salvaged"

# These queries notice most damage without reading everything: they read the totals and
# both ends of each table.
CHECKS = (
    "SELECT * FROM held",
    "SELECT body FROM event ORDER BY sequence LIMIT 1",
    "SELECT body FROM event ORDER BY sequence DESC LIMIT 1",
    "SELECT body FROM dead_letter ORDER BY sequence LIMIT 1",
    "SELECT body FROM dead_letter ORDER BY sequence DESC LIMIT 1",
    "SELECT * FROM identity ORDER BY 1, 2, 3, 4, 5 LIMIT 1",
    "SELECT * FROM identity ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC, 5 DESC LIMIT 1",
)

log = logging.getLogger(__name__)


class Salvaged(NamedTuple):
    """The result of salvaging a damaged file."""

    aside: Path
    """The new name of the damaged file."""
    events: int
    dead_letters: int
    missing: int | None
    """Unreadable events and dead letters; None if the number is unknown."""


def repair(path: Path, *, salvage: bool = True) -> Salvaged | None:
    """
    Create the file at *path* if there is none, and salvage it if it's damaged.

    The caller holds the lock. Raises `SpoolUnusableError`, for example on a full disk,
    and `SpoolVersionError`; then the next start tries again. Without *salvage*, raises
    `SpoolUnsoundError` for a damaged file.
    """
    try:
        reason: str | None = None
        unfinished = not path.exists() and _with_suffix(path, SALVAGED).exists()
        if unfinished:
            reason = "a salvage wasn't finished"
        elif not path.exists() and not _size(_with_suffix(path, "-wal")):
            _create(path)
        else:
            if not path.exists():
                path.touch()
            reason = _damage(path)
        if reason is None:
            return None
        if not salvage:
            raise SpoolUnsoundError(path, reason)
        if unfinished:
            return _replace(path, missing=None)
        # Salvaging may take a while, and this is the only message until it's done.
        about = {"path": str(path), "reason": reason}
        log.error("the spool is damaged; salvaging what can be read", extra=about)
        return _replace(path, _salvage(path))
    except (OSError, sqlite3.Error) as error:
        raise SpoolUnusableError(path, error) from error


def mark_damaged(path: Path, reason: object) -> None:
    """Make the next `repair` salvage the file at *path*."""
    file = path.with_name(MARK)
    file.write_text(f"{reason}\n")
    _sync(file)
    _sync(file.parent)


def _damage(path: Path) -> str | None:
    """Return the sign of damage in the file, or None; reads only a few pages."""
    if (marked := path.with_name(MARK)).exists():
        return f"found while running: {marked.read_text(errors='replace').strip()}"
    if not path.stat().st_size:
        return "the file is empty"
    # In read-only mode, closing doesn't write the log into the file. Without a log,
    # immutable mode is needed: read-only mode would create one.
    how = "mode=ro" if _size(_with_suffix(path, "-wal")) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as file:
            (version,) = file.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                for query in CHECKS:
                    file.execute(query).fetchall()
                newest_of_each(file)
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
    finally:
        _with_suffix(path, "-shm").unlink(missing_ok=True)
    return None


def _salvage(path: Path) -> int | None:
    """Build the new file, and return the number of missing rows, if it's known."""
    salvaged = _with_suffix(path, SALVAGED)
    try:
        with closing(_new(salvaged)) as connection:
            missing = rescue(path, connection, salvaged.read_bytes())
    except BaseException:
        salvaged.unlink(missing_ok=True)  # the disk may be full because of it
        raise
    _sync(salvaged)
    _sync(salvaged.parent)
    return missing


def _replace(path: Path, missing: int | None) -> Salvaged:
    """Rename the damaged file, and give its name to the new file."""
    salvaged = _with_suffix(path, SALVAGED)
    with closing(sqlite3.connect(salvaged)) as connection:
        rows = connection.execute("SELECT what, sum(rows) FROM held GROUP BY what")
        held = dict(rows.fetchall())
    if path.exists():
        while _aside(path).exists():  # there were two salvages in one second
            later = salvaged.stat().st_mtime + 1
            os.utime(salvaged, (later, later))
    aside = _aside(path)
    # The file comes first: after a kill, while it's still here, so is its log.
    for suffix in ("", "-wal", "-shm", "-journal"):
        if (old := _with_suffix(path, suffix)).exists():
            old.rename(_with_suffix(aside, suffix))
    _sync(path.parent)
    path.with_name(MARK).unlink(missing_ok=True)
    salvaged.rename(path)
    _sync(path.parent)
    return Salvaged(aside, held["event"], held["dead_letter"], missing)


def _create(path: Path) -> None:
    """Create an empty spool at *path* in one step, because half a file is damage."""
    new = _with_suffix(path, NEW)
    _new(new).close()
    _sync(new)
    path.with_name(MARK).unlink(missing_ok=True)  # it was about a file that is gone
    new.rename(path)
    _sync(path.parent)


def _new(path: Path) -> sqlite3.Connection:
    """Return a connection to an empty spool at *path*, without syncs to the disk."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # see disk.py
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    create(connection)
    return connection


def _aside(path: Path) -> Path:
    """Return a name with the time of the new file, which is the same after a kill."""
    ready = time.gmtime(_with_suffix(path, SALVAGED).stat().st_mtime)
    return _with_suffix(path, time.strftime(".damaged-%Y-%m-%dT%H-%M-%SZ", ready))


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
