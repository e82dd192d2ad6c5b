"""The images in the cluster, and an installation for each mode of the chart."""

import os
import shlex
from typing import NamedTuple

import pytest

from devkit.image import version_of
from tests.image.docker import BASE_NAME, built, inspected
from tests.kube.cluster import missing, namespace, run
from tests.kube.installation import Installation

# StatefulSets use claims that exist under these names. The last is of mode `service`.
VOLUMES = ("data-camunda-zeebe-0", "spool-app-integrations-exporter-0")


class Images(NamedTuple):
    """The images that run in the cluster."""

    distribution: str
    stock: str
    standalone: str

    @property
    def version(self):
        """The version of the engine in the first two."""
        return version_of(self.stock)


def pytest_configure():
    """Stop with one sentence when something is missing, before anything takes time."""
    if sentence := missing():
        raise pytest.UsageError(sentence)


@pytest.fixture(scope="session")
def images(request):
    """Return the images, which the command in LOAD has loaded into the cluster."""
    # The user sees which image is pulled and whose it is, or what stands in for it.
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        distribution, standalone = built()
    stock = inspected(distribution)["Config"]["Labels"][BASE_NAME]
    images = Images(distribution, stock, standalone)
    if load := shlex.split(os.environ.get("LOAD", "")):
        run(*load, *images)
    return images


@pytest.fixture(scope="module", params=["embedded", "sidecar", "service"])
def installation(request, images, tmp_path_factory):
    """Return a namespace where nothing but the backend is installed."""
    mode = request.param
    with namespace(mode) as place:
        for name in VOLUMES:
            place.apply("volume.yaml", name=name, image=images.standalone)
            place.wait(name, "jsonpath={.status.phase}=Succeeded")
            place.kubectl("delete", "pod", name)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        place.kubectl("label", "namespace", place.name, restricted)
        yield Installation(place, mode, images, tmp_path_factory.mktemp(mode))
