"""
Replace a damaged file with a new one that has all readable rows.

The damaged file is never changed or deleted: it gets a dated name. A kill at any moment
loses nothing. While the damaged file has its name, the next start builds the new file
again. When the damaged file is renamed, the new file is complete.
"""

import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from exporter.spool.database import check_version, create, is_damage
from exporter.spool.disk import MARK, sync
from exporter.spool.errors import SpoolUnsoundError
from exporter.spool.rescue import rescue
from exporter.spool.totals import Totals
from exporter.spool.waiting import newest_of_each

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

    The caller holds the lock. Raises `SpoolVersionError`, `OSError` or `sqlite3.Error`,
    for example on a full disk; then the next start tries again. Without *salvage*,
    raises `SpoolUnsoundError` for a damaged file.
    """
    new = _sibling(path, ".salvaged")
    if not path.exists() and not new.exists() and not _size(_sibling(path, "-wal")):
        _create(path)
        return None
    if (reason := _damage(path)) is None:
        return None
    if not salvage:
        raise SpoolUnsoundError(path, reason)
    return _replace(path, new, _salvage(path, new, reason))


def _create(path: Path) -> None:
    """Create an empty spool at *path* in one step, because half a file is damage."""
    new = _sibling(path, ".new")
    create(new).close()
    sync(new)
    path.with_name(MARK).unlink(missing_ok=True)  # it was about a file that is gone
    new.rename(path)
    sync(path.parent)


def _damage(path: Path) -> str | None:
    """Return the sign of damage in the pages that opening reads, or None."""
    if not _size(path):
        return "the file is empty or missing"
    check_version(path)
    if (marked := path.with_name(MARK)).exists():
        return f"found while running: {marked.read_text(errors='replace').strip()}"
    # In read-only mode, closing doesn't write the log into the file. Without a log,
    # immutable mode is needed: read-only mode would create one.
    how = "mode=ro" if _size(_sibling(path, "-wal")) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as file:
            Totals(file)
            newest_of_each(file)
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
    finally:
        _sibling(path, "-shm").unlink(missing_ok=True)
    return None


def _salvage(path: Path, new: Path, reason: str) -> int | None:
    """Build the *new* file, and return the number of missing rows, if it's known."""
    if not path.exists() and new.exists():
        return None  # an earlier salvage was interrupted after this step
    # Salvaging may take a while, and this is the only message until it's done.
    about = {"path": str(path), "reason": reason}
    log.error("the spool is damaged; salvaging what can be read", extra=about)
    path.touch()  # maybe there is only a log
    try:
        missing = rescue(path, new)
    except BaseException:
        new.unlink(missing_ok=True)  # the disk may be full because of it
        raise
    sync(new)
    sync(new.parent)
    return missing


def _replace(path: Path, new: Path, missing: int | None) -> Salvaged:
    """Rename the damaged file, and give its name to the *new* file."""
    with closing(sqlite3.connect(new)) as connection:
        rows = connection.execute("SELECT what, sum(rows) FROM held GROUP BY what")
        held = dict(rows.fetchall())
    # The time of the new file is the same after a kill.
    ready = datetime.fromtimestamp(new.stat().st_mtime, UTC)
    aside = _sibling(path, f".damaged-{ready:%Y-%m-%dT%H-%M-%S.%fZ}")
    # The file comes first: after a kill, while it's still here, so is its log.
    for suffix in ("", "-wal"):
        if (old := _sibling(path, suffix)).exists():
            old.rename(_sibling(aside, suffix))
    sync(path.parent)
    path.with_name(MARK).unlink(missing_ok=True)
    new.rename(path)
    sync(path.parent)
    return Salvaged(aside, held["event"], held["dead_letter"], missing)


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
