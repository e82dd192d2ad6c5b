"""The version comes from the image's tag, and the container is always removed."""

import asyncio
import sys

import pytest

from devkit.image import engine_in_docker, image_version
from devkit.processes import ROOT, free_port
from devkit.waiting import eventually

# A fake Docker whose container is slow to end.
DOCKER = f"""\
#!/bin/sh
echo "$1" >>"$CALLS"
[ "$1" = run ] || exit 0
trap 'echo stop >>"$CALLS"' TERM
cd {ROOT} && {sys.executable} -m devkit &
while :; do wait; done
"""


@pytest.mark.parametrize(
    "image, version",
    [
        ("camunda/camunda:8.10.9", "8.10.9"),
        ("localhost:5000/camunda:8.9.0@sha256:5f2a", "8.9.0"),
        ("localhost:5000/camunda", "latest"),
    ],
)
def test_version(image, version):
    """The version of an image is its tag, in every form of name."""
    assert image_version(image) == version


@pytest.mark.slow
async def test_nobody_waits_for_its_end(tmp_path, monkeypatch):
    """The container is removed even after a second Ctrl-C."""
    calls, docker = tmp_path / "calls", tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CALLS", str(calls))
    rest, management = free_port(), free_port()
    ports = {"SERVER_PORT": str(rest), "MANAGEMENT_SERVER_PORT": str(management)}
    started = asyncio.Event()

    async def run():
        async with engine_in_docker("c/c:8.10.9", ports, tmp_path, rest, management):
            started.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await started.wait()
    running.cancel()
    await eventually(lambda: "stop" in calls.read_text())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert calls.read_text().split() == ["image", "run", "stop", "rm"]
