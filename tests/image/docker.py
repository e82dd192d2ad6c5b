"""Docker's command line, as far as the tests of the images need it."""

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Images(NamedTuple):
    """The names of both images, in the order in which they're printed."""

    distribution: str
    standalone: str


def built():
    """Return both images: those that BUILT names, or as `make image` builds them now."""
    if known := os.environ.pop("BUILT", ""):
        return Images(*known.split())
    run = subprocess.run(
        [ROOT / "docker" / "build.sh"], stdout=subprocess.PIPE, text=True, check=False
    )
    if run.returncode:
        pytest.exit("the images can't be built", returncode=run.returncode)
    return Images(*run.stdout.split())


def docker(*arguments, check=True):
    """Return what the command did, its output as text."""
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
    """Return everything Docker knows about an image or a container."""
    (known,) = json.loads(docker("inspect", name).stdout)
    return known


def our_layers(image):
    """Return how many layers *image* has on top of the image it's made from."""
    base = inspected(inspected(image)["Config"]["Labels"][BASE_NAME])
    return len(inspected(image)["RootFS"]["Layers"]) - len(base["RootFS"]["Layers"])


def moment(text):
    """Return the time that Docker or our log writes as *text*."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction:0<6.6}+00:00")


BASE_NAME = "org.opencontainers.image.base.name"
