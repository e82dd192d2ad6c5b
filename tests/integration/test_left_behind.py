"""A test run that is killed leaves no process and no container."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from devkit.processes import Process
from tests.conftest import eventually
from tests.integration.brokers import START_SECONDS

SCENARIO = "tests/integration/test_user_tasks.py::test_two_hundred_at_once"
MARK = "APP_TEST_RUN"


@pytest.fixture
async def run(place, tmp_path):
    """Start a run of one scenario; return its process, and a function for its parts."""
    mark, environment = uuid4().hex, dict(os.environ)
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
    if place.has_images:
        environment["BUILT"] = " ".join(place.images)
        command += ["--containers"]
    else:
        command += ["--numprocesses=1"]  # `make test` also uses workers
    others, strangers = containers(place), set()

    def parts():
        return marked(mark, strangers), containers(place) - others

    environment |= {MARK: mark}
    run = Process([*command, SCENARIO], log=tmp_path / "log", environment=environment)
    async with run:
        run.spawn()
        yield run, parts


def marked(mark, strangers):
    """Return the command lines of processes that inherited *mark*; cache the others."""
    found = []
    for pid in set(psutil.pids()) - strangers:
        with suppress(psutil.Error):  # it has just ended, or belongs to another user
            process = psutil.Process(pid)
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline()))
            else:
                strangers.add(pid)
    return found


def containers(place):
    """Return the ids of all containers, running or not."""
    if not place.has_images:
        return set()
    command = ["docker", "ps", "--all", "--quiet"]
    return set(subprocess.check_output(command, text=True).split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left(run, number):
    """The engine and the exporter end with the run, for any reason."""
    run, parts = run

    def both_run():
        processes, started = parts()
        names = "-m devkit", "exporter run"
        return started or all(any(x in each for each in processes) for x in names)

    await eventually(both_run, within=START_SECONDS)
    run.signal(number)
    await run.ended(within=START_SECONDS)

    await eventually(lambda: parts() == ([], set()), within=30)
