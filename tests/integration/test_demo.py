"""The demo shows what it promises, alone on a machine, and cleans up behind itself."""

import signal
import subprocess
import sys

import psutil
import pytest

from tests.conftest import eventually
from tests.integration.office import PATIENCE


@pytest.fixture
def a_demo():
    """Return what starts the demo as `make demo` does, its output captured."""
    demos = []

    def start(*arguments):
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter.demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        demos.append(demo)
        return demo

    yield start
    for demo in demos:
        if demo.poll() is None:
            left = psutil.Process(demo.pid).children(recursive=True)
            for process in [*left, demo]:
                process.kill()
            demo.wait()


def started_by(process):
    """Return the process that the demo started, once it is there."""
    return psutil.Process(process.pid).children(recursive=True)


def test_a_replay(a_demo):
    """Recorded traffic arrives whole, once and in order, and is called a recording."""
    demo = a_demo()
    story, errors = demo.communicate(timeout=2 * PATIENCE)

    assert demo.returncode == 0, errors
    assert "This is a replay" in story
    assert "events received  30" in story
    assert "Every event arrived, exactly once and in order." in story


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_interrupted(a_demo, number):
    """Stopped in the middle, it leaves no process behind."""
    demo = a_demo()
    processes = await eventually(lambda: started_by(demo), within=PATIENCE)
    demo.send_signal(number)
    story, errors = demo.communicate(timeout=2 * PATIENCE)

    assert demo.returncode == 130, errors
    assert story.endswith("Stopped.\n")
    assert not any(each.is_running() for each in processes)
