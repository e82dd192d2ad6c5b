"""
End the processes of somebody who can't do that any more.

As a script it reads `+PID` and `-PID` from its standard input: a process was started,
or was ended. Nobody can write any more when the starter has ended, in any way: then
all processes left are killed, with everything in their sessions.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path


def kill_sessions(leaders: set[int]) -> None:
    """
    Kill all processes in the sessions that *leaders* began; they may have ended.

    A process group isn't enough: the entrypoint starts its children in own groups.
    """
    killed: set[int] = set()
    while new := _members(leaders) - killed:
        for pid in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        # Others may have been started before that.
        killed |= new


def _members(leaders: set[int]) -> set[int]:
    """Return the processes in the sessions of *leaders*."""
    # Where there is no /proc, only the leaders themselves can be found.
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
