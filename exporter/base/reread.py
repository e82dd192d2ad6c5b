"""
What files hold now: read again when they change, so that no secret needs a restart.

A look costs one `stat` per file. A mounted secret of Kubernetes changes by a link that
is swapped, which shows in the inode of the file behind it.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

Stamp = tuple[tuple[int, ...] | None, ...]


class Reread(Generic[T]):
    """A value made from files; without files it is what it was."""

    def __init__(
        self, value: T, load: Callable[[], T], paths: Sequence[Path], settings: str
    ) -> None:
        """
        Begin with *value*, which *load* made of the files *paths* just now.

        *load* may raise OSError (can't be read) and ValueError (makes no sense, with a
        text that may be logged). *settings* are the variables that name the files.
        """
        self._value = value
        self._load = load
        self._paths = paths
        self._settings = settings
        self._seen: Stamp | None = None
        self._complaint: tuple[Stamp, str] | None = None
        self._changes = 0

    @property
    def changes(self) -> int:
        """How often there was something new, counting what there is now."""
        self.current()
        return self._changes

    def current(self) -> T:
        """Return what the files hold; while they can't be used, what they held."""
        if not self._paths:
            return self._value
        stamp = tuple(_stamp(path) for path in self._paths)
        if stamp != self._seen:
            self._read(stamp)
        return self._value

    def _read(self, stamp: Stamp) -> None:
        """Read what was written before *stamp*; a later change has another one."""
        try:
            value = self._load()
        except ValueError as error:
            self._seen = stamp  # reading the same once more wouldn't help
            self._complain(stamp, str(error))
            return
        except OSError as error:
            self._complain(stamp, error.strerror or "can't be read")
            return
        self._seen, self._complaint = stamp, None
        if value == self._value:
            return
        self._value = value
        self._changes += 1
        log.info("file read again", extra={"setting": self._settings})

    def _complain(self, stamp: Stamp, reason: str) -> None:
        if self._complaint == (stamp, reason):
            return
        self._complaint = stamp, reason
        log.warning(
            "file can't be used: what it held before stays in effect",
            extra={"setting": self._settings, "reason": reason},
        )


def fixed(value: T) -> Reread[T]:
    """Return *value* as one that never changes."""
    return Reread(value, lambda: value, (), "")


def text_of(path: Path) -> str:
    """Return what *path* holds, without the blanks around it."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("no UTF-8 text") from None


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what is another after any change of *path*, its permissions included."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time, at every request
    except (OSError, ValueError):
        return None
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
