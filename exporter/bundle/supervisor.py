"""
Run broker and exporter side by side, as process 1 of a container.

One loop waits for whatever comes first, a signal or the time for the next step; there
are no threads and no handlers, so nothing ever happens in between. The broker decides
how long all of it runs. The exporter follows: it's started before, restarted whenever
it dies, and drained behind.
"""

import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

READY_SECONDS = 15.0
"""How long the broker waits for the exporter; a large spool may take longer."""

READY_POLL_SECONDS = 0.05

RESTART_SECONDS = (0.1, 0.5, 1.0, 2.0, 4.0)
"""The pauses before restarts that fail in a row; the last one goes on."""

STEADY_SECONDS = 10.0
"""Who ran that long has not failed at once."""

STOP_SECONDS = 28.0
"""From the signal to the end of everything: orchestrators kill after 30."""

# What starts the end, and what is the broker's to understand (QUIT: a thread dump).
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
PASSED_ON = frozenset({signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
AWAITED = ENDING | PASSED_ON | {signal.SIGCHLD, signal.SIGALRM}

# A terminal sends its Ctrl-C to the broker, too: `si_code` of what the kernel sends.
FROM_TERMINAL = 0x80

NOT_FOUND, NOT_EXECUTABLE = 127, 126

log = logging.getLogger(__name__)


class Program(NamedTuple):
    """What is started, and what it's told."""

    command: list[str]
    environment: Mapping[str, str]

    def start(self, *, own_group: bool) -> int:
        """Return its process id; in a group of its own, no terminal signals it."""
        start = partial(os.posix_spawnp, setpgroup=0) if own_group else os.posix_spawnp
        return start(
            self.command[0],
            self.command,
            self.environment,
            setsigmask=[],
            # Python ignores these, and what is ignored would stay so.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )


class Supervisor:
    """Both processes from start to end; `run` returns the broker's exit status."""

    def __init__(
        self,
        broker: Program,
        exporter: Program,
        *,
        is_ready: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        """Start the broker once *is_ready* says so of the exporter, or time is over."""
        self._broker = broker
        self._exporter = exporter
        self._is_ready = is_ready
        self._clock = clock
        self._broker_pid: int | None = None
        self._exporter_pid: int | None = None
        self._status: int | None = None
        self._failures = 0
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._stop_by: float | None = None

    def run(self) -> int:
        """Return when both have ended."""
        # Whoever inherits that it's ignored is never told that a child has ended.
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
        """Return whether the broker is to start: nobody has asked for the end."""
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
        """Take in all that have ended, orphans of the broker's among them."""
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
        steady = self._clock() - self._started_at >= STEADY_SECONDS
        self._failures = 0 if steady else self._failures
        self._restart(f"ended with {code}" if code >= 0 else f"killed by {-code}")

    def _restart(self, reason: str) -> None:
        last = len(RESTART_SECONDS) - 1
        pause = RESTART_SECONDS[min(self._failures, last)]
        self._failures += 1
        self._restart_at = self._clock() + pause
        log.error(
            "exporter died: it is restarted, and the broker keeps its records",
            extra={"reason": reason, "restart_in_ms": round(pause * 1000)},
        )

    def _start_exporter(self) -> None:
        self._restart_at = None
        self._started_at = self._clock()
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
        """Let it deliver what waits; what it can't is on disk for the next start."""
        self._restart_at = None
        stop_by = self._stop_by
        if stop_by is None or stop_by < self._clock():  # nobody asked, or insisted
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
    """Say that *command* can't be started, and return the status shells give it."""
    log.error(
        "command can't be started",
        extra={"command": command[0], "reason": error.strerror},
    )
    missing = isinstance(error, FileNotFoundError)
    return NOT_FOUND if missing else NOT_EXECUTABLE
