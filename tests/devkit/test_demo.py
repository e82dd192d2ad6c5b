"""The demo runs without other programs, counts correctly, and cleans up."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import aiohttp
import psutil
import pytest

from devkit.backend import Arrival
from devkit.demo import faults, percentile, summarize
from devkit.waiting import eventually

PATIENCE = 30


def an_arrival(instance, intent, position, latency_ms=20):
    """Return an arrival *latency_ms* after the engine wrote the record."""
    event = {"processInstanceKey": instance, "userTaskKey": "1", "intent": intent}
    return Arrival(1000 + latency_ms / 1000, f"1-{position}-1000000", event)


PERFECT = [
    an_arrival("7", "CREATED", 1, 10),
    an_arrival("8", "CREATED", 2, 40),
    an_arrival("7", "ASSIGNED", 3, 20),
    an_arrival("8", "ASSIGNED", 4),
    an_arrival("8", "COMPLETED", 5),
    an_arrival("7", "COMPLETED", 6, 30),
]


def judged(*arrivals):
    """Return the summary of *arrivals* in a run of two instances."""
    return summarize("recorded 8.9.0", ["7", "8"], arrivals)


def test_perfect_run():
    """A perfect run has no faults."""
    assert judged(*PERFECT) == {
        "engine": "recorded 8.9.0",
        "expected": 6,
        "received": 6,
        "missing": 0,
        "duplicates": 0,
        "order_violations": 0,
        "p50_ms": 20.0,
        "p95_ms": 40.0,
        "max_ms": 40.0,
    }
    assert faults(judged(*PERFECT)) == ""


@pytest.mark.parametrize(
    "arrivals, wrong",
    [
        (PERFECT[:5], "1 missing"),
        ([*PERFECT, PERFECT[0]], "1 duplicates, 1 order violations"),
        ([*PERFECT, PERFECT[5]], "1 duplicates"),
        ([*PERFECT, replace(PERFECT[5], identity="1-7-1000000")], "1 duplicates"),
        ([PERFECT[2], *PERFECT[:2], *PERFECT[3:]], "1 order violations"),
        ([], "6 missing"),
    ],
)
def test_run_that_went_wrong(arrivals, wrong):
    """Missing, duplicate and disordered events are counted."""
    assert faults(judged(*arrivals)) == wrong


def test_instances_do_not_disorder_each_other():
    """The order counts only within a process instance."""
    assert not faults(judged(PERFECT[1], PERFECT[0], *PERFECT[2:]))


@pytest.mark.parametrize("share, value", [(0.5, 50), (0.95, 95), (1, 100), (0.001, 1)])
def test_percentile(share, value):
    """A percentile is one of the measured values, without interpolation."""
    assert percentile(range(1, 101), share) == value


@pytest.fixture
def a_demo(tmp_path, tmp_path_factory):
    """Return a function that starts a demo; only one runs at a time, for its ports."""
    demos = []
    lock = (tmp_path_factory.getbasetemp().parent / "demo.lock").open("w")

    def start(*arguments, path=os.environ["PATH"]):
        fcntl.flock(lock, fcntl.LOCK_EX)
        demo = subprocess.Popen(
            [sys.executable, "-m", "devkit.demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path), "PATH": path},
        )
        demos.append(demo)
        return demo

    with lock:
        yield start
        for demo in demos:
            demo.kill()
            demo.communicate()


async def left_behind(processes, directory):
    """Return the processes and files that remain after a demo."""
    await eventually(lambda: not any(each.is_running() for each in processes))
    return list(directory.iterdir())


def lines_until(stream, word):
    """Return the lines of *stream* up to the first with *word*."""
    lines = []
    while not lines or word not in lines[-1]:
        lines.append(stream.readline())
        assert lines[-1], "".join(lines)
    return lines


async def test_a_whole_run(a_demo, tmp_path):
    """Every event is shown, the summary is exact, and --keep runs until SIGTERM."""
    demo = a_demo("--json", "--keep")
    story = lines_until(demo.stderr, "status\n")
    processes = psutil.Process(demo.pid).children(recursive=True)
    await try_what_is_suggested("".join(story), demo.stderr)
    demo.terminate()
    output, errors = demo.communicate(timeout=PATIENCE)

    assert (demo.returncode, errors.strip()) == (0, "")
    assert "The engine is recorded" in "".join(story)
    assert sum(" COMPLETED  task " in line for line in story) == 12
    summary = json.loads(output)
    assert (summary["expected"], summary["received"]) == (36, 36)
    assert faults(summary) == ""
    assert processes
    assert await left_behind(processes, tmp_path) == []


def run(command):
    """Run *command* and capture its output."""
    return subprocess.run(command, stdout=subprocess.PIPE, check=False)


async def try_what_is_suggested(story, shown):
    """Follow the printed steps: the event arrives after the backend recovers."""
    (url, task) = re.search(r"curl (\S+/(\d+)/completion)", story).groups()
    fail, heal = re.findall(r"curl -X PUT (\S+)", story)
    status = ["sh", "-c", story[story.index("  cd ") :]]
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.put(fail)
        await session.post(url, json={})
        await eventually(lambda: b"503" in run(status).stdout, within=PATIENCE)
        await session.put(heal)
    assert f"COMPLETED  task {task}" in "".join(lines_until(shown, "COMPLETED"))
    lines_until(shown, "CREATED")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_interrupted(a_demo, tmp_path, number):
    """A stopped demo leaves no process and no file."""
    demo = a_demo()
    lines_until(demo.stdout, "ASSIGNED")
    processes = psutil.Process(demo.pid).children(recursive=True)
    demo.send_signal(number)
    story, errors = demo.communicate(timeout=PATIENCE)

    assert (demo.returncode, errors) == (130, "")
    assert story.endswith("Stopped.\n")
    assert await left_behind(processes, tmp_path) == []


async def test_reader_that_has_seen_enough(a_demo, tmp_path):
    """A closed pipe ends the demo without an error message."""
    demo = a_demo()
    lines_until(demo.stdout, "CREATED")
    processes = psutil.Process(demo.pid).children(recursive=True)
    demo.stdout.close()

    assert demo.wait(timeout=PATIENCE) == 130
    assert demo.stderr.read() == ""
    assert await left_behind(processes, tmp_path) == []


FAKE = """\
#!/bin/sh
case $1 in image) echo "No such image" >&2; exit 1;; pull) {};; esac
"""


@pytest.mark.parametrize(
    "docker, words",
    [
        (None, "c/c:8.10.9 needs Docker"),
        ("echo Hm. >&2; echo No such host. >&2; exit 1", "No such host."),
    ],
)
async def test_no_image(a_demo, tmp_path_factory, docker, words):
    """Without Docker or the image, the demo prints one line and ends with 1."""
    directory = tmp_path_factory.mktemp("bin")
    if docker:
        (directory / "docker").write_text(FAKE.format(docker))
        (directory / "docker").chmod(0o755)
    demo = a_demo("--engine", "c/c:8.10.9", path=str(directory))
    story, errors = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 1
    assert "under Camunda's licence" in story
    assert errors.count("\n") == 1
    assert words in errors
