"""
Run a broker and the exporter in one container, as its process 1.

One loop waits for the next signal or the next restart. There are no threads and no
signal handlers, so nothing can happen in between. The container runs as long as the
broker runs. The exporter starts before the broker, is restarted when it dies, and
drains after the broker has ended.
"""

import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from exporter.bundle import ENDING, PASSED_ON

READY_SECONDS = 15.0
"""How long the broker's start waits for the exporter to be ready."""

READY_POLL_SECONDS = 0.05

RESTART_SECONDS = 1.0
"""The pause before a restart: a broker repeats a failed request after 2 seconds."""

STOP_SECONDS = 28.0
"""From the signal to the end of both; orchestrators kill after 30 seconds."""

AWAITED = ENDING | PASSED_ON | {signal.SIGCHLD, signal.SIGALRM}

# The `si_code` of a terminal's Ctrl-C, which the broker gets from the terminal itself.
FROM_TERMINAL = 0x80

NOT_FOUND, NOT_EXECUTABLE = 127, 126

log = logging.getLogger(__name__)


class Program(NamedTuple):
    """A command and its environment."""

    command: list[str]
    environment: Mapping[str, str]

    def start(self, *, own_group: bool) -> int:
        """Start it; in its own group, it gets no signals from a terminal."""
        start = partial(os.posix_spawnp, setpgroup=0) if own_group else os.posix_spawnp
        return start(
            self.command[0],
            self.command,
            self.environment,
            setsigmask=[],
            # Python ignores these signals, and child processes would inherit that.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )


class Supervisor:
    """Runs both processes; `run` returns the exit status of the broker."""

    def __init__(
        self,
        broker: Program,
        exporter: Program,
        *,
        is_ready: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        """Use *is_ready* to find out whether the exporter is ready."""
        self._broker = broker
        self._exporter = exporter
        self._is_ready = is_ready
        self._clock = clock
        self._broker_pid: int | None = None
        self._exporter_pid: int | None = None
        self._status: int | None = None
        self._restart_at: float | None = None
        self._stop_by: float | None = None

    def run(self) -> int:
        """Run until both have ended."""
        # A parent may have set SIGCHLD to be ignored: then it would never arrive.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        self._start_exporter()
        if self._await_exporter():
            self._start_broker()
        while self._status is None:
            self._step(None)
        self._end_exporter()
        return self._status

    def _await_exporter(self) -> bool:
        """Wait until the exporter is ready; return False if a signal came to stop."""
        give_up = self._clock() + READY_SECONDS
        while self._status is None and not (self._exporter_pid and self._is_ready()):
            if self._clock() > give_up:
                log.error(
                    "exporter not ready: the broker starts all the same and keeps its "
                    "records until it is",
                    extra={"seconds": READY_SECONDS},
                )
                break
            self._step(READY_POLL_SECONDS)
        return self._status is None

    def _step(self, seconds: float | None) -> None:
        """Wait for a signal or for *seconds*, at most until the next restart."""
        if self._restart_at is not None:
            left = max(0.0, self._restart_at - self._clock())
            seconds = left if seconds is None else min(left, seconds)
        if came := self._next_signal(seconds):
            self._handle(came)
        if self._restart_at is not None and self._clock() >= self._restart_at:
            self._start_exporter()

    def _next_signal(self, seconds: float | None) -> signal.struct_siginfo | None:
        # Python's `sigtimedwait` returns garbage when SIGCONT ends it after its time.
        signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else seconds or 1e-6)
        came = signal.sigwaitinfo(AWAITED)
        return None if came.si_signo == signal.SIGALRM else came

    def _handle(self, came: signal.struct_siginfo) -> None:
        number = signal.Signals(came.si_signo)
        if number == signal.SIGCHLD:
            self._reap()
            return
        if number in ENDING:
            if self._stop_by is None:
                self._stop_by = self._clock() + STOP_SECONDS
            if self._broker_pid is None and self._status is None:
                self._status = 128 + number
        if self._broker_pid is not None and came.si_code != FROM_TERMINAL:
            os.kill(self._broker_pid, number)

    def _reap(self) -> None:
        """Reap every process that has ended, including orphans of the broker."""
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(raw)
            if pid == self._broker_pid:
                self._broker_pid = None
                self._status = code if code >= 0 else 128 - code
                log.info("broker ended", extra={"status": self._status})
            elif pid == self._exporter_pid:
                self._exporter_pid = None
                self._exporter_ended(code)

    def _exporter_ended(self, code: int) -> None:
        if self._status is not None:
            log.info("exporter ended", extra={"status": code})
            return
        self._restart(f"ended with {code}" if code >= 0 else f"killed by {-code}")

    def _restart(self, reason: str) -> None:
        self._restart_at = self._clock() + RESTART_SECONDS
        log.error(
            "exporter died: it is restarted, and the broker keeps its records",
            extra={"reason": reason},
        )

    def _start_exporter(self) -> None:
        self._restart_at = None
        try:
            self._exporter_pid = self._exporter.start(own_group=True)
        except OSError as error:
            self._restart(f"can't be started: {error.strerror}")

    def _start_broker(self) -> None:
        try:
            self._broker_pid = self._broker.start(own_group=False)
        except OSError as error:
            self._status = unstartable(self._broker.command, error)

    def _end_exporter(self) -> None:
        """Stop the exporter, which delivers waiting events until it is killed."""
        self._restart_at = None
        stop_by = self._stop_by
        if stop_by is None or stop_by < self._clock():  # the broker ended by itself
            stop_by = self._clock() + STOP_SECONDS
        if self._exporter_pid is not None:
            os.kill(self._exporter_pid, signal.SIGTERM)
        while self._exporter_pid is not None and self._clock() < stop_by:
            self._step(max(0.0, stop_by - self._clock()))
        if self._exporter_pid is not None:
            log.warning("exporter still draining: killed, the rest is on disk")
            os.kill(self._exporter_pid, signal.SIGKILL)
        while self._exporter_pid is not None:
            self._step(None)


def unstartable(command: Sequence[str], error: OSError) -> int:
    """Log that *command* can't be started; return the status that a shell would."""
    log.error(
        "command can't be started",
        extra={"command": command[0], "reason": error.strerror},
    )
    missing = isinstance(error, FileNotFoundError)
    return NOT_FOUND if missing else NOT_EXECUTABLE
