"""
A standard error that never makes its writers wait.

A log that nobody reads any more, like a full pipe, would stop whoever writes the next
line: ingest, delivery, probes and the end of the process. So a thread writes, and what
it can't keep up with is lost, and counted.
"""

import atexit
import io
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TextIO

MOST_TEXTS = 1000
"""How much is kept for a reader who doesn't read; a line of the log is one."""
FLUSH_SECONDS = 1.0

log = logging.getLogger(__name__)


class Outlet(io.TextIOBase):
    """Takes text at once, and lets a thread write it to a file."""

    def __init__(self, file: TextIO) -> None:
        """Write to the descriptor of *file*: nobody waits for a lock of its buffer."""
        self._file, self._descriptor = file, file.fileno()
        # It is taken from and put into without a lock that a signal could meet.
        self._texts: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._lost = 0
        """Lines since the last time that this was said."""
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        # Signals are for those who wait for them, and not for this thread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def write(self, text: str) -> int:
        """Keep *text* until it's written, or lose it when too much is kept."""
        if self._texts.qsize() < MOST_TEXTS:
            self._texts.put(text)
        else:
            self._lost += text.count("\n")
        return len(text)

    def isatty(self) -> bool:
        """Whether somebody is watching."""
        return self._file.isatty()

    def flush(self) -> None:
        """Wait until all is written, but not for long."""
        if not sys.is_finalizing():  # then threads stand still
            flushed = threading.Event()
            self._texts.put(flushed)
            flushed.wait(FLUSH_SECONDS)

    def _run(self) -> None:
        while True:
            text = self._texts.get()
            if isinstance(text, threading.Event):
                text.set()
                continue
            data = text.encode(errors="backslashreplace")
            with suppress(OSError):  # nobody will ever read it
                while data:
                    data = data[os.write(self._descriptor, data) :]
            if self._lost and self._texts.qsize() < MOST_TEXTS // 2:
                lost, self._lost = self._lost, 0
                log.warning(
                    "lines of this log are lost: its reader didn't keep up",
                    extra={"lines": lost},
                )


def unblock() -> None:
    """Let nothing that this process writes to standard error wait for its reader."""
    with suppress(OSError):  # no file: it's read in this process
        sys.stderr = Outlet(sys.stderr)
        atexit.register(sys.stderr.flush)
