"""
Values from files that are read again when a file changes, without a restart.

Each use costs one `stat` per file. Kubernetes changes a mounted secret by replacing a
symbolic link, which changes the inode of the file.
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
    """A value that is made from files."""

    def __init__(
        self, value: T, load: Callable[[], T], paths: Sequence[Path], settings: str
    ) -> None:
        """
        Start with *value*, which *load* has just made from the files *paths*.

        *load* may raise OSError, and ValueError with a text that may be logged.
        *settings* are the variables that name the files.
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
        """How often the value has changed, including the current files."""
        self.current()
        return self._changes

    def current(self) -> T:
        """Return the value of the files, or the last one while they can't be used."""
        if not self._paths:
            return self._value
        stamp = tuple(_stamp(path) for path in self._paths)
        if stamp != self._seen:
            self._read(stamp)
        return self._value

    def _read(self, stamp: Stamp) -> None:
        """Read the files; *stamp* is older, so that no change is missed."""
        try:
            value = self._load()
        except ValueError as error:
            self._seen = stamp  # reading the same content again wouldn't help
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
    """Return a value that never changes."""
    return Reread(value, lambda: value, (), "")


def text_of(path: Path) -> str:
    """Return the text in *path* without surrounding whitespace."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return a value that any change of *path* changes, including its permissions."""
    try:
        x = os.stat(path)  # noqa: PTH116 - twice as fast, at every request
    except (OSError, ValueError):
        return None
    return x.st_dev, x.st_ino, x.st_size, x.st_mtime_ns, x.st_ctime_ns
