"""The demo shows what it promises, alone on a machine, and cleans up behind itself."""

import json
import os
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

    def start(*arguments, **environment):
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter.demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
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
    """Return the processes that the demo started, once both are there."""
    found = psutil.Process(process.pid).children(recursive=True)
    return found if len(found) == 2 else []


@pytest.mark.usefixtures("new_broker")
def test_live(a_demo):
    """On a real broker every event arrives, once and in order, and is judged so."""
    demo = a_demo("--instances", "3", "--json")
    summary, story = demo.communicate(timeout=2 * PATIENCE)

    assert demo.returncode == 0, story
    found = json.loads(summary)
    assert found.pop("p50_ms") <= found.pop("p95_ms") <= found.pop("max_ms")
    assert found == {
        "source": "live",
        "expected": 9,
        "received": 9,
        "missing": 0,
        "duplicates": 0,
        "order_violations": 0,
    }
    for step in ("CREATED", "ASSIGNED", "COMPLETED"):
        assert story.count(step) == 3


def test_without_registry(a_demo, tmp_path):
    """Where no broker can be had, it replays recorded traffic, and says so."""
    nobody = "http://127.0.0.1:1"
    demo = a_demo(HTTPS_PROXY=nobody, https_proxy=nobody, XDG_CACHE_HOME=str(tmp_path))
    story, errors = demo.communicate(timeout=2 * PATIENCE)

    assert demo.returncode == 0, errors
    assert "The broker 8.6.0 can't be fetched (" in story
    assert "This is a replay" in story
    assert "events received  30" in story
    assert "Every event arrived, exactly once and in order." in story


@pytest.mark.usefixtures("new_broker")
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
