"""No process outlives its starter, even one that was just started."""

import asyncio
import os
import signal
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_process_is_left(tmp_path, number):
    """
    A process and its children end with their starter, for any reason.

    A child may have its own process group, like the children of the entrypoint.
    """
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    log = tmp_path / "log"
    await eventually(
        lambda: log.exists() and len(log.read_text().split()) == 3, within=20
    )
    children = [psutil.Process(int(pid)) for pid in log.read_text().split()]

    parent.send_signal(number)

    assert await parent.wait() != 0
    await eventually(lambda: not any(map(is_alive, children)), within=20)


def is_alive(process):
    """Return whether *process* still runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


BUSY = """
import subprocess
for _ in range(200):
    subprocess.Popen(["sleep", "30"])
"""


async def test_a_session_that_grows(tmp_path):
    """Processes that start during the kill are killed, too."""
    process = Process([sys.executable, "-c", BUSY], log=tmp_path / "log")
    process.spawn()
    await eventually(lambda: len(members(process.pid)) > 10)

    process.kill()

    await eventually(lambda: not members(process.pid))


def members(session):
    """Return the running processes of a session."""
    found = []
    for each in psutil.process_iter(["status"]):
        try:
            alive = each.info["status"] != psutil.STATUS_ZOMBIE
            found += [each] if alive and os.getsid(each.pid) == session else []
        except ProcessLookupError:
            pass
    return found
