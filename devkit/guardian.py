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
from collections.abc import Iterable
from pathlib import Path


def kill_sessions(leaders: set[int]) -> None:
    """Kill all processes in the sessions that *leaders* began; they may have ended."""
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


def left(lines: Iterable[str]) -> set[int]:
    """Return the processes that were started and not ended, once *lines* end."""
    alive: set[int] = set()
    for line in lines:
        (alive.add if line.startswith("+") else alive.discard)(int(line[1:]))
    return alive


if __name__ == "__main__":
    kill_sessions(left(sys.stdin))
