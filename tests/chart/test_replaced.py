"""The notes name what the wiring would replace of the values that Camunda has."""

import shutil

import pytest
import yaml

from scripts.chart import CHART
from tests.chart.official import VERSION, key, official
from tests.chart.rendering import Rendered, enabled
from tests.chart.test_wiring import CAMUNDA, container, merged, wired

# What Helm looks up in a cluster is a value here.
TEMPLATE = """\
{{- $ours := index .Subcharts "app-integrations-exporter" }}
{{- $about := dict "root" $ours "found" .Values.found }}
kind: ConfigMap
metadata: {name: said}
data:
  replaced: {{ include "app-integrations-exporter.replaced" $about | quote }}
  doubts: {{ include "app-integrations-exporter.doubts" $about | quote }}
"""


@pytest.fixture
def said(tmp_path):
    """Return a function that says what the notes have about the brokers it is given."""
    about = {"apiVersion": "v2", "name": "above", "version": "1.0.0"}
    about["dependencies"] = [{"name": CHART.name, "version": "0.1.0"}]
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "said.yaml").write_text(TEMPLATE, encoding="utf-8")

    def say(values, found=None):
        values = {CHART.name: values, "found": found or {}}
        return Rendered(values, chart=tmp_path).find("ConfigMap", "said")["data"]

    return say


def brokers(own):
    """Return the brokers of a release with *own* values that isn't wired."""
    values = merged(CAMUNDA, {key(): own})
    release = Rendered(values, chart=official(), name="camunda")
    return official_only(release.find("StatefulSet", "camunda-zeebe"))


def official_only(found):
    """Return the StatefulSet *found* without the variable that the stub alone has."""
    env = container(found["spec"]["template"]["spec"])["env"]
    env[:] = [each for each in env if each["name"] != "ZEEBE_BROKER_DATA_DIRECTORY"]
    return found


def everything(mode):
    """Return values of ours with which the wiring has all lists that it may have."""
    volume = {"name": "ours", "emptyDir": {}}
    mount = {"name": "ours", "mountPath": "/ours"}
    lists = {"extraVolumes": [volume], "extraVolumeMounts": [mount]}
    lists["extraEnv"] = [{"name": "OURS", "value": "a"}]
    lists["image"] = {"pullSecrets": [{"name": "ours"}]}
    return enabled(mode, camunda={"version": f"{VERSION}.21"}, **lists)


OWN = {
    "command": ["mine"],
    "env": [{"name": "MINE", "value": "a"}],
    "envFrom": [{"secretRef": {"name": "mine"}}, {"configMapRef": {"name": "more"}}],
    "extraInitContainers": [{"name": "mine", "image": "busybox"}],
    "extraVolumes": [{"name": "mine", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "mine", "mountPath": "/mine"}],
    "image": {"pullSecrets": [{"name": "mine"}]},
}
REPLACED = {
    "embedded": ["command", "env", "envFrom", "extraVolumeMounts"],
    "sidecar": ["envFrom", "initContainers or extraInitContainers"],
    "service": ["envFrom"],
}
IN_THE_POD = ["extraVolumes", "image.pullSecrets"]


@pytest.mark.parametrize("mode", REPLACED)
def test_entries_of_the_operator(mode, said):
    """Each list in which the brokers have entries of others, and those entries."""
    lines = said(everything(mode), brokers(OWN))["replaced"].split("\n- ")

    lists = REPLACED[mode] + (IN_THE_POD if mode != "service" else [])
    expected = {f"{key()}.{name}: mine" for name in lists}
    expected = {
        line.replace("envFrom: mine", "envFrom: mine, more") for line in expected
    }
    expected = {line.replace(".env: mine", ".env: MINE") for line in expected}
    assert set(lines) - {""} == expected


@pytest.mark.parametrize("mode", REPLACED)
def test_nothing_of_the_operator(mode, said):
    """What the official chart has there by itself is no entry of anybody's."""
    found = brokers({"env": []})

    assert said(everything(mode), found) == {"replaced": "", "doubts": ""}


@pytest.mark.parametrize("mode", REPLACED)
def test_wired_already(mode, said):
    """What the wiring itself has put there is ours."""
    found = official_only(wired(everything(mode)))

    assert said(everything(mode), found) == {"replaced": "", "doubts": ""}


@pytest.mark.parametrize("mode", REPLACED)
def test_without_a_cluster(mode, said):
    """Where nothing can be looked up, the lists are named."""
    lines = said(everything(mode))["replaced"].split("\n- ")

    lists = REPLACED[mode] + (IN_THE_POD if mode != "service" else [])
    assert set(lines) - {""} == {f"{key()}.{name}" for name in lists}


def test_another_version(said):
    """Brokers of a chart that reads other values are noticed."""
    other = "8.7.26" if key() == "orchestration" else "8.8.21"
    values = enabled(camunda={"version": other})

    assert "of another version" in said(values, brokers({}))["doubts"]


def test_network_of_the_nodes(said):
    """A NetworkPolicy that wouldn't let the brokers in is noticed."""
    found = brokers({})
    found["spec"]["template"]["spec"]["hostNetwork"] = True
    camunda = {"version": f"{VERSION}.21"}
    peer = {"networkPolicy": {"extraFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}}

    for own, noticed in ({}, True), (peer, False):
        values = enabled("service", camunda=camunda, **own)
        doubts = said(values, found)["doubts"]
        assert ("networkPolicy.extraFrom" in doubts) is noticed
