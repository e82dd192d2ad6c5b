"""What this process has from the system: signals, standard streams, descriptors."""

import asyncio
import atexit
import io
import logging
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TextIO

STDOUT, STDERR = 1, 2
MOST_TEXTS = 1000
"""How many lines wait for a slow reader, at most."""
FLUSH_SECONDS = 1.0

log = logging.getLogger(__name__)


def asked_to_stop() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def open_more_files() -> None:
    """Raise the limit of open files as far as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def open_streams() -> None:
    """Open closed standard streams, or a socket would get their descriptors."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(file)
    sys.stdout = sys.stdout or os.fdopen(STDOUT, "w")
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w")


def discard_stdout() -> None:
    """Send the rest of the output nowhere, because its reader is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def unblock_stderr() -> None:
    """Make sure that this process never waits for the reader of its stderr."""
    with suppress(OSError):  # in a test, stderr may not be a file
        sys.stderr = Outlet(sys.stderr)
        atexit.register(sys.stderr.flush)


class Outlet(io.TextIOBase):
    """
    A text stream that never blocks: a thread writes to the file.

    A full pipe would block the next line of the log, and with it ingest, delivery,
    probes and the end of the process. If *most* lines wait, the next ones are counted
    and dropped.
    """

    def __init__(self, file: TextIO, most: int = MOST_TEXTS) -> None:
        # The thread writes to the descriptor, past the lock of the file's buffer.
        self._descriptor, self._is_terminal = file.fileno(), file.isatty()
        # This queue needs no lock, which a signal handler could find taken.
        self._texts: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._most = most
        self._lost = 0
        """Lines dropped since the last warning about them."""
        # The main thread waits for signals, so this thread must not get them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        threading.Thread(target=self._run, name="stderr", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def write(self, text: str) -> int:
        """Queue *text* for the thread, or drop it if the queue is full."""
        if self._texts.qsize() < self._most:
            self._texts.put(text)
        else:
            self._lost += text.count("\n")
        return len(text)

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return self._is_terminal

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
            if self._lost and self._texts.qsize() < self._most // 2:
                lost, self._lost = self._lost, 0
                log.warning(
                    "lines of this log are lost: its reader didn't keep up",
                    extra={"lines": lost},
                )
