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
    while new := _members(leaders) - killed:
        for pid in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        # A process may have started another one before it was killed.
        killed |= new


def _members(leaders: set[int]) -> set[int]:
    """Return the processes in the sessions of *leaders*."""
    # Without /proc, only the leaders can be found.
    found = {int(path.name) for path in Path("/proc").glob("[0-9]*")}
    members: set[int] = set()
    for pid in found or leaders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) in leaders:
                members.add(pid)
    return members


if __name__ == "__main__":
    left: set[int] = set()
    for line in sys.stdin:
        (left.add if line.startswith("+") else left.discard)(int(line[1:]))
    kill_sessions(left)
