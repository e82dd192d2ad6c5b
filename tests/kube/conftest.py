"""The images in the cluster, and an installation for each mode of the chart."""

import os
import shlex
from typing import NamedTuple

import pytest

from devkit.image import image_version
from tests.image.docker import BASE_NAME, built, inspected
from tests.kube.cluster import missing, namespace, run
from tests.kube.installation import Installation

# StatefulSets use existing claims with these names. The last is for mode `service`.
VOLUMES = ("data-camunda-zeebe-0", "spool-app-integrations-exporter-0")


class Images(NamedTuple):
    """The images that run in the cluster."""

    distribution: str
    stock: str
    standalone: str

    @property
    def version(self):
        """The version of the engine in the first two."""
        return image_version(self.stock)


def pytest_configure():
    """Stop at once with a remedy if a tool or the cluster is missing."""
    if sentence := missing():
        raise pytest.UsageError(sentence)


@pytest.fixture(scope="session")
def images(request):
    """Build the images and load them with the command in LOAD; return their names."""
    # The output shows which image is pulled, its licence, or its stand-in.
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
    """Return an installation with only the backend in a new namespace."""
    mode = request.param
    with namespace(mode) as place:
        for name in VOLUMES:
            place.apply("volume.yaml", name=name, image=images.standalone)
            place.wait(name, "jsonpath={.status.phase}=Succeeded")
            place.kubectl("delete", "pod", name)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        place.kubectl("label", "namespace", place.name, restricted)
        yield Installation(place, mode, images, tmp_path_factory.mktemp(mode))
