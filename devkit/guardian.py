"""
End the processes of somebody who can't do that any more.

As a script it reads `+PID` and `-PID` from its standard input: a process was started in
a group of its own, or was ended. Nobody can write any more when the starter has ended,
in any way: then all processes left are killed, with everything in their groups.
"""

import contextlib
import os
import signal
import sys


def kill(leader: int) -> None:
    """Kill everything in the process group that *leader* began; it may have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    left: set[int] = set()
    for line in sys.stdin:
        (left.add if line.startswith("+") else left.discard)(int(line[1:]))
    for each in left:
        kill(each)
