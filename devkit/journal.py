"""The journal of an engine in a file, from which it goes on after a restart."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devkit.stories import CannotStartError

Entry = Mapping[str, Any]


class Journal:
    """A file that only one engine may write, an entry a line."""

    def __init__(self, path: Path) -> None:
        """Open the file at *path*, or make it; `BlockingIOError` if another one has."""
        self._path = path
        self._file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise

    def close(self) -> None:
        """Let others use the file."""
        self._file.close()

    def entries(self) -> Iterator[Entry]:
        """Yield all entries; half a line, which a kill leaves, is removed."""
        self._file.seek(0)
        whole, newline, _ = self._file.read().rpartition(b"\n")
        self._file.truncate(len(whole + newline))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = dict(json.loads(line))
            except (ValueError, TypeError):
                problem = f"Line {number} of {self._path} is damaged"
                raise CannotStartError(problem) from None
            yield entry

    @contextlib.contextmanager
    def with_entry(self, entry: Entry) -> Iterator[None]:
        """Append *entry*, and take it back where that or the block fails."""
        size = os.fstat(self._file.fileno()).st_size
        line = memoryview(json.dumps(entry).encode() + b"\n")
        try:
            while line:
                line = line[self._file.write(line) :]
            yield
        except BaseException:
            self._file.truncate(size)
            raise
