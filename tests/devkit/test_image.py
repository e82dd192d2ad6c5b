"""The version comes from the image's tag, and the container is always removed."""

import asyncio
import sys

import pytest

from devkit.image import engine_in_docker, image_version
from devkit.processes import ROOT, free_port

# A fake Docker.
DOCKER = f"""\
#!/bin/sh
echo "$1" >>"$CALLS"
[ "$1" = run ] || exit 0
cd {ROOT} && exec {sys.executable} -m devkit
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
async def test_the_container_is_removed(tmp_path, monkeypatch):
    """The container is removed after Ctrl-C."""
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
    with pytest.raises(asyncio.CancelledError):
        await running

    assert calls.read_text().split() == ["image", "run", "rm"]
