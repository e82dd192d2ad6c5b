"""The demo runs without other programs, counts correctly, and cleans up."""

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
from devkit.demo import faults, summarize
from devkit.processes import Process
from devkit.waiting import eventually


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


def test_perfect_run():
    """A perfect run has no faults."""
    summary = summarize(["7", "8"], PERFECT)

    assert summary == {
        "expected": 6,
        "received": 6,
        "missing": 0,
        "duplicates": 0,
        "order violations": 0,
        "p50, ms": 20.0,
        "p95, ms": 40.0,
        "longest, ms": 40.0,
    }
    assert faults(summary) == ""


@pytest.mark.parametrize(
    "arrivals, wrong",
    [
        (PERFECT[:5], "1 missing"),
        ([*PERFECT, PERFECT[0]], "1 duplicates, 1 order violations"),
        ([*PERFECT, PERFECT[5]], "1 duplicates"),
        ([*PERFECT, replace(PERFECT[5], identity="1-7-1000000")], "1 duplicates"),
        ([PERFECT[2], *PERFECT[:2], *PERFECT[3:]], "1 order violations"),
        ([PERFECT[1], PERFECT[0], *PERFECT[2:]], ""),  # two instances
        ([], "6 missing"),
    ],
)
def test_run_that_went_wrong(arrivals, wrong):
    """Missing, duplicate and disordered events are counted."""
    assert faults(summarize(["7", "8"], arrivals)) == wrong


class Demo(Process):
    """The demo, whose output is in `text`."""

    def __init__(self, directory, *arguments, path=os.environ["PATH"]):
        self.files = directory / "files"
        self.files.mkdir()
        super().__init__(
            [sys.executable, "-m", "devkit.demo", *arguments],
            log=directory / "log",
            environment=os.environ | {"TMPDIR": str(self.files), "PATH": path},
        )

    async def shows(self, word):
        """Wait until the output has *word*."""
        await eventually(lambda: word in self.text)

    async def ended_by(self, number):
        """End the demo by a signal; nothing must be left."""
        processes = psutil.Process(self.pid).children(recursive=True)
        assert processes
        self.signal(number)
        await self.ended()
        await eventually(lambda: not any(each.is_running() for each in processes))
        assert list(self.files.iterdir()) == []


@pytest.mark.slow
async def test_a_whole_run(tmp_path):
    """Every event is shown, the summary is exact, and --keep runs until SIGTERM."""
    async with Demo(tmp_path, "--keep") as demo:
        demo.spawn()
        await demo.shows("exporter status\n")
        story = demo.text
        await try_what_is_suggested(story, demo)
        await demo.ended_by(signal.SIGTERM)

    assert demo.status == 0
    assert "The engine is recorded" in story
    assert story.count(" COMPLETED  task ") == 12
    assert re.search(r"expected +36\n +received +36\n +missing +0\n", story)
    assert "exactly once and in order" in story


async def try_what_is_suggested(story, demo):
    """Follow the printed steps: the event arrives after the backend recovers."""
    (url, task) = re.search(r"curl (\S+/(\d+)/completion)", story).groups()
    fail, heal = re.findall(r"curl -X PUT (\S+)", story)
    command = ["sh", "-c", story[story.index("  cd ") :]]

    def status():
        return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout

    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.put(fail)
        await session.post(url, json={})
        await eventually(lambda: b"503" in status())
        await session.put(heal)
    await demo.shows(f"COMPLETED  task {task}")
    await eventually(lambda: demo.text.rstrip().splitlines()[-1].count("CREATED"))


@pytest.mark.slow
async def test_interrupted(tmp_path):
    """A stopped demo leaves no process and no file."""
    async with Demo(tmp_path) as demo:
        demo.spawn()
        await demo.shows("ASSIGNED")
        await demo.ended_by(signal.SIGINT)

    assert demo.text.endswith("Stopped.\n")
    assert demo.status == 130


FAKE = """\
#!/bin/sh
[ "$1" = image ] || echo Hm. >&2
echo No such host. >&2
exit 1
"""


@pytest.mark.parametrize("has_docker", [True, False])
async def test_no_image(tmp_path, has_docker):
    """Without Docker or the image, the demo prints one line and ends with 1."""
    if has_docker:
        (tmp_path / "docker").write_text(FAKE)
        (tmp_path / "docker").chmod(0o755)
    async with Demo(tmp_path, "--engine", "c/c:8.10.9", path=str(tmp_path)) as demo:
        demo.spawn()
        assert await demo.ended() == 1

    *story, error = demo.text.splitlines()
    assert "under Camunda's licence" in "".join(story)
    words = "can't be pulled: No such host." if has_docker else "needs Docker"
    assert f"demo: c/c:8.10.9 {words}" in error
