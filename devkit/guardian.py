"""
Kill the processes of a starter that has ended.

This script reads `+PID` (started) and `-PID` (ended) from standard input. The input
ends when the starter ends, for whatever reason. Then the script kills the remaining
processes with everything in their sessions.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path


def kill_sessions(leaders: set[int]) -> None:
    """
    Kill all processes in the sessions of *leaders*, even if a leader has ended.

    Process groups aren't enough: the entrypoint starts its children in new groups.
    """
    killed: set[int] = set()
    # A process may have started another one before it was killed.
    while new := {pid for pid in _processes(leaders) if _in(leaders, pid)} - killed:
        for pid in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= new


def _processes(leaders: set[int]) -> set[int]:
    """Return all processes; without /proc, only the leaders can be found."""
    return {int(path.name) for path in Path("/proc").glob("[0-9]*")} or leaders


def _in(leaders: set[int], pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getsid(pid) in leaders
    return False


if __name__ == "__main__":
    left: set[int] = set()
    for line in sys.stdin:
        (left.add if line.startswith("+") else left.discard)(int(line[1:]))
    kill_sessions(left)
