"""The journal of an engine in a file, from which it goes on after a restart."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]


class Journal:
    """A file that only one engine may write, an entry a line."""

    def __init__(self, path: Path) -> None:
        """Open the file at *path*, or make it; `BlockingIOError` if another one has."""
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
        yield from map(json.loads, whole.splitlines())

    def append(self, entry: Entry) -> None:
        """Keep *entry*, also when this process is killed."""
        self._file.write(json.dumps(entry).encode() + b"\n")
