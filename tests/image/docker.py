"""Docker commands for the tests of the images."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
BASE_NAME = "org.opencontainers.image.base.name"


class Images(NamedTuple):
    """The names of both images, in the order of docker/build.sh."""

    distribution: str
    standalone: str


def built(camunda=""):
    """Return the images in BUILT, or build them on *camunda*."""
    if not camunda and os.environ.get("BUILT"):
        return Images(*os.environ["BUILT"].split())
    run = subprocess.run(
        [ROOT / "docker" / "build.sh"],
        env=os.environ | ({"CAMUNDA_IMAGE": camunda} if camunda else {}),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.exit("the images can't be built", returncode=run.returncode)
    return Images(*run.stdout.split())


def docker(*arguments, check=True):
    """Run a Docker command; return the completed process with text output."""
    run = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0 or not check, f"{run.args}: {run.stderr}"
    return run


def inspected(name):
    """Return Docker's description of an image or a container."""
    (known,) = json.loads(docker("inspect", name).stdout)
    return known


def our_layers(image):
    """Return the number of layers that *image* adds to its base image."""
    base = inspected(inspected(image)["Config"]["Labels"][BASE_NAME])
    return len(inspected(image)["RootFS"]["Layers"]) - len(base["RootFS"]["Layers"])
