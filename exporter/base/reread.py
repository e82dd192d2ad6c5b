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
Stamps = list[tuple[int, ...] | None]


class Reread(Generic[T]):
    """
    A value that *load* makes from the files *paths*, which *settings* name.

    *load* may raise OSError, and ValueError with a text that may be logged.
    """

    def __init__(
        self, value: T, load: Callable[[], T], paths: Sequence[Path], settings: str
    ) -> None:
        self._value, self._load = value, load
        self._paths, self._settings = paths, settings
        self._seen: Stamps | None = None
        self._complaint: tuple[Stamps, str] | None = None
        self._changes = 0

    @property
    def changes(self) -> int:
        """How often the value has changed, including the current files."""
        self.current()
        return self._changes

    def current(self) -> T:
        """Return the value of the files, or the last one while they can't be used."""
        stamps = list(map(_stamp, self._paths))
        if stamps != self._seen:
            self._read(stamps)
        return self._value

    def _read(self, stamps: Stamps) -> None:
        """Read the files; *stamps* are older, so that no change is missed."""
        try:
            value = self._load()
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError):
                self._seen = stamps  # reading the same content again wouldn't help
            reason = getattr(error, "strerror", f"{error}")
            if self._complaint != (stamps, reason):
                self._complaint = stamps, reason
                log.warning(
                    "file can't be used: what it held before stays in effect",
                    extra={"setting": self._settings, "reason": reason},
                )
            return
        self._seen, self._complaint = stamps, None
        if value != self._value:
            self._value = value
            self._changes += 1
            log.info("file read again", extra={"setting": self._settings})


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
