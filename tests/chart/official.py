"""
The official chart: the one that CAMUNDA_CHART names (a directory or an archive).

Without it, a stub with the parts of that chart that we need, as of any version.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from helm_python.chart import Chart, package

from tests.chart.rendering import Rendered

STUB = Path(__file__).with_name("camunda-platform")
OWN = os.environ.get("CAMUNDA_CHART")

# Every version of the official chart accepts these values.
CAMUNDA = {
    "connectors": {"enabled": False},
    "orchestration": {
        "clusterSize": "1",
        "data": {
            "secondaryStorage": {
                "type": "elasticsearch",
                "elasticsearch": {"url": "http://elasticsearch.example:9200"},
            }
        },
    },
}


def version_of(chart):
    """Return the version of Camunda that *chart* installs, like 8.8."""
    with Chart.load(chart) as loaded:
        return loaded.metadata["appVersion"].removesuffix(".x")


VERSION = version_of(OWN or STUB)
VERSIONS = [VERSION] if OWN else ["8.7", VERSION, "8.10"]


@cache
def official(version=VERSION):
    """Return the chart for *version* of Camunda, like 8.8."""
    if OWN or version == VERSION:
        return Path(OWN or STUB)
    scratch = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, scratch)
    return Path(package(STUB, destination=scratch, app_version=f"{version}.x"))


def key(version=VERSION):
    """Return the key of the brokers' values, which is also their container's name."""
    return "zeebe" if version in ("8.5", "8.6", "8.7") else "orchestration"


def merged(*layers):
    """Return values as Helm merges them: only maps are merged."""
    together = {}
    for layer in layers:
        for name, value in layer.items():
            both = isinstance(value, dict) and isinstance(together.get(name), dict)
            together[name] = merged(together[name], value) if both else value
    return together


def released(*layers, version=VERSION):
    """Return the objects of a release of Camunda with the values in *layers*."""
    values = merged(CAMUNDA, *layers)
    return Rendered(values, chart=official(version), name="camunda")


def wired(values, version=VERSION, brokers=None):
    """Return the StatefulSet of *brokers* (their values), wired to the exporter."""
    camunda = values.get("camunda", {}) | {"version": f"{version}.21"}
    if version != "8.10":
        camunda.pop("physicalTenants", None)
    wiring = Rendered(values | {"camunda": camunda}).wiring
    release = released({key(version): brokers or {}}, wiring, version=version)
    return release.find("StatefulSet", "camunda-zeebe")


def container(brokers, version=VERSION):
    """Return the broker's container in the StatefulSet *brokers*."""
    containers = brokers["spec"]["template"]["spec"]["containers"]
    (found,) = [each for each in containers if each["name"] == key(version)]
    return found


def exporter_in(values):
    """Return the pod in which the exporter runs, and the exporter's container."""
    if values["mode"] == "service":
        pod = Rendered(values).pod["spec"]
        return pod, pod["containers"][0]
    brokers = wired(values)
    pod = brokers["spec"]["template"]["spec"]
    if values["mode"] == "embedded":
        return pod, container(brokers)
    (sidecar,) = pod["initContainers"]
    return pod, sidecar
