"""Images that the cluster knows, and an installation in each mode."""

import os
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.containers.brokers import version_of
from tests.image.docker import BASE_NAME, built, inspected
from tests.kube import claims
from tests.kube.cluster import missing, namespace, run
from tests.kube.installation import Installation

STUB = Path(__file__).parents[1] / "chart" / "camunda-platform"


class Images(NamedTuple):
    """What runs in the cluster, and the version of the broker in the first two."""

    distribution: str
    stock: str
    standalone: str
    version: str


def pytest_configure():
    """Say in one sentence what is missing, before anything takes time."""
    if what := missing():
        raise pytest.UsageError(what)


@pytest.fixture(scope="session")
def images():
    """Return the images; LOAD is a command that makes them known to the cluster."""
    distribution, standalone = built()
    stock = inspected(distribution)["Config"]["Labels"][BASE_NAME]
    if load := shlex.split(os.environ.get("LOAD", "")):
        run(*load, distribution, stock, standalone)
    return Images(distribution, stock, standalone, version_of(stock))


@pytest.fixture(scope="module", params=["embedded", "sidecar", "service"])
def installation(request, images, tmp_path_factory):
    """Return a namespace where nothing but the backend is installed yet."""
    mode = request.param
    chart = os.environ.get("CAMUNDA_CHART") or STUB
    with namespace(mode) as place:
        ours = [claims.OURS] if mode == "service" else []
        claims.claim(place, images.standalone, claims.BROKER, *ours)
        place.enforce("restricted")
        yield Installation(place, mode, images, chart, tmp_path_factory.mktemp(mode))
