"""The notes name the lists of Camunda's release that the wiring would replace."""

import pytest

from scripts.chart import CHART
from tests.chart.official import VERSION, container, key, released, wired
from tests.chart.rendering import Rendered, enabled, parent

WIRED = {"version": f"{VERSION}.21"}

# What Helm looks up in a cluster is a value here.
TEMPLATE = """\
{{- $ours := index .Subcharts "app-integrations-exporter" }}
{{- $about := dict "root" $ours "found" .Values.found }}
kind: ConfigMap
metadata: {name: noted}
data:
  replaced: {{ include "app-integrations-exporter.replaced" $about | quote }}
  doubts: {{ include "app-integrations-exporter.doubts" $about | quote }}
"""


@pytest.fixture
def noted(tmp_path):
    """Return a function that renders a part of the notes for given brokers."""
    parent(tmp_path, TEMPLATE)

    def noted(values, found=None):
        values = {CHART.name: values, "found": found or {}}
        return Rendered(values, chart=tmp_path).find("ConfigMap", "noted")["data"]

    return noted


def brokers(own):
    """Return the brokers of a release that isn't wired, with *own* values."""
    release = released({key(): own})
    return official_only(release.find("StatefulSet", "camunda-zeebe"))


def official_only(found):
    """Return the StatefulSet *found* without the variable that only the stub has."""
    env = container(found)["env"]
    env[:] = [each for each in env if each["name"] != "ZEEBE_BROKER_DATA_DIRECTORY"]
    return found


def everything(mode):
    """Return values of ours with all lists that the wiring may have."""
    return enabled(
        mode,
        camunda=WIRED,
        extraVolumes=[{"name": "ours", "emptyDir": {}}],
        extraVolumeMounts=[{"name": "ours", "mountPath": "/ours"}],
        extraEnv=[{"name": "OURS", "value": "a"}],
        image={"pullSecrets": [{"name": "ours"}]},
    )


OPERATORS = {
    "command": ["mine"],
    "env": [{"name": "MINE", "value": "a"}],
    "envFrom": [{"secretRef": {"name": "mine"}}, {"configMapRef": {"name": "more"}}],
    "extraInitContainers": [{"name": "mine", "image": "busybox"}],
    "extraVolumes": [{"name": "mine", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "mine", "mountPath": "/mine"}],
    "image": {"pullSecrets": [{"name": "mine"}]},
}
SIDECARS = "initContainers or extraInitContainers"
IN_THE_POD = {"extraVolumes": "mine", "image.pullSecrets": "mine"}
REPLACED = {
    "embedded": IN_THE_POD
    | {"command": "mine", "env": "MINE", "extraVolumeMounts": "mine"},
    "sidecar": IN_THE_POD | {SIDECARS: "mine"},
    "service": {},
}


@pytest.mark.parametrize("mode", REPLACED)
def test_lists(mode, noted):
    """Each list with the operator's entries, or every list without a cluster."""
    lists = REPLACED[mode] | {"envFrom": "mine, more"}

    found = noted(everything(mode), brokers(OPERATORS))["replaced"]
    unseen = noted(everything(mode))["replaced"]

    lines = {f"- {key()}.{name}: {entries}" for name, entries in lists.items()}
    assert set(found.strip().split("\n")) == lines
    assert set(unseen.strip().split("\n")) == {f"- {key()}.{name}" for name in lists}


@pytest.mark.parametrize("mode", REPLACED)
def test_no_entries_of_the_operator(mode, noted):
    """The entries of the official chart, and of the wiring itself, aren't named."""
    nothing = {"replaced": "", "doubts": ""}

    assert noted(everything(mode), brokers({"env": []})) == nothing
    assert noted(everything(mode), official_only(wired(everything(mode)))) == nothing


def test_another_version(noted):
    """Brokers of a chart that reads other values are noticed."""
    other = "8.7.26" if key() == "orchestration" else "8.8.21"
    values = enabled(camunda={"version": other})

    assert "of another version" in noted(values, brokers({}))["doubts"]


def test_network_of_the_nodes(noted):
    """A NetworkPolicy that wouldn't let the brokers in is noticed."""
    found = brokers({})
    found["spec"]["template"]["spec"]["hostNetwork"] = True
    peer = {"networkPolicy": {"extraFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}}

    for own, noticed in ({}, True), (peer, False):
        values = enabled("service", camunda=WIRED, **own)
        doubts = noted(values, found)["doubts"]
        assert ("networkPolicy.extraFrom" in doubts) is noticed
