"""No process outlives its starter, even one that was just started."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from devkit.processes import ROOT, Process
from devkit.waiting import eventually

PARENT = """
import asyncio, sys, time
from pathlib import Path
from devkit.processes import Process

grandchild = "import os, time; os.setpgid(0, 0); print(os.getpid()); time.sleep(1000)"
child = f"{sys.executable} -uc '{grandchild}' & sleep 1000 & echo $! $$; wait"
process = Process(["/bin/sh", "-c", child], log=Path("log"))
process.spawn()
time.sleep(1000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_no_process_is_left(tmp_path, number):
    """
    A process and its children end with their starter, for any reason.

    A child may have its own process group, like the children of the entrypoint.
    """
    parent = started(tmp_path)
    log = tmp_path / "log"
    await eventually(lambda: log.exists() and len(log.read_text().split()) == 3)
    children = {int(pid) for pid in log.read_text().split()}

    parent.send_signal(number)

    assert parent.wait() != 0
    await eventually(lambda: not any(map(is_alive, children)))


def started(directory):
    """Start a process that starts others."""
    return subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )


BUSY = """
import subprocess
for _ in range(200):
    subprocess.Popen(["sleep", "30"])
"""


async def test_a_session_that_grows(tmp_path):
    """Processes that start during the kill are killed, too."""
    process = Process([sys.executable, "-c", BUSY], log=tmp_path / "log")
    process.spawn()

    def members():
        return [pid for pid in psutil.pids() if is_alive(pid, process.pid)]

    await eventually(lambda: len(members()) > 10)
    process.kill()

    await eventually(lambda: not members())


def is_alive(pid, session=None):
    """Return whether a process runs, in any session or in the given one."""
    try:
        alive = psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        return alive and session in (None, os.getsid(pid))
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
