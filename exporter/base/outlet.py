"""
A standard error that never blocks its writers.

A full pipe that nobody reads would block the next line of the log, and with it ingest,
delivery, probes and the end of the process. So a thread writes. Lines that it can't
write in time are dropped and counted.
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
"""How many lines wait for a slow reader, at most."""
FLUSH_SECONDS = 1.0

log = logging.getLogger(__name__)


class Outlet(io.TextIOBase):
    """A text stream that never blocks: a thread writes to the file."""

    def __init__(self, file: TextIO) -> None:
        """Write to the descriptor of *file*, past the lock of its buffer."""
        self._file, self._descriptor = file, file.fileno()
        # This queue needs no lock, which a signal handler could find taken.
        self._texts: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._lost = 0
        """Lines dropped since the last warning about them."""
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        # The main thread waits for signals: this one must not get them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def write(self, text: str) -> int:
        """Queue *text* for the thread, or drop it if the queue is full."""
        if self._texts.qsize() < MOST_TEXTS:
            self._texts.put(text)
        else:
            self._lost += text.count("\n")
        return len(text)

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return self._file.isatty()

    def flush(self) -> None:
        """Wait until the queue is written, at most `FLUSH_SECONDS`."""
        if not sys.is_finalizing():  # threads no longer run then
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
            with suppress(OSError):  # the reader is gone
                while data:
                    data = data[os.write(self._descriptor, data) :]
            if self._lost and self._texts.qsize() < MOST_TEXTS // 2:
                lost, self._lost = self._lost, 0
                log.warning(
                    "lines of this log are lost: its reader didn't keep up",
                    extra={"lines": lost},
                )


def unblock() -> None:
    """Never let this process wait for the reader of its standard error."""
    with suppress(OSError):  # no file: a test reads it in this process
        sys.stderr = Outlet(sys.stderr)
        atexit.register(sys.stderr.flush)
