"""The pods have the right image, and pull it as the values say."""

import os
import subprocess

import pytest

import exporter
from scripts.chart import CHART, MODES
from tests.chart.official import VERSION, container, exporter_in, wired
from tests.chart.rendering import Rendered, enabled

OURS, THEIRS = (f"sha256:{number:064x}" for number in (1, 2))
NAME = "app-integrations-exporter"
TAG = f"{VERSION}.21-app-integrations-{exporter.__version__}"


@pytest.mark.parametrize(
    "image,name",
    [
        ({"registry": "registry.example"}, f"registry.example/{NAME}:{TAG}"),
        ({"tag": "1", "registry": "localhost:5000/"}, f"localhost:5000/{NAME}:1"),
        ({"tag": "1"}, f"shared.example/{NAME}:1"),
        ({"digest": OURS}, f"shared.example/{NAME}@{OURS}"),
        # This name begins with a registry, so it gets no other one.
        ({"tag": "1", "repository": "localhost:5000/a/b"}, "localhost:5000/a/b:1"),
    ],
)
def test_embedded(image, name):
    """The combined image replaces Camunda's, and its entrypoint runs first."""
    shared = {"global": {"image": {"registry": "shared.example"}}}
    values = enabled(image=image, **shared)

    broker = container(wired(values, brokers={"image": {"digest": THEIRS}}))

    assert broker["image"] == name
    entrypoint = ["app-integrations-entrypoint", "bash", "/usr/local/bin/startup.sh"]
    assert broker["command"] == entrypoint


@pytest.mark.parametrize(
    "base,version",
    [
        ("camunda/camunda:8.9.17", "8.9.17"),
        ("camunda/zeebe:8.6.39", "8.6.39"),
        (f"registry.example:5000/a/b:8.10.0-alpha5@{OURS}", "8.10.0-alpha5"),
    ],
)
def test_tag_of_make_image(base, version):
    """`make image` builds under the tag that the chart asks for."""
    script = 'source <(sed -n "/^tag()/,/^}/p" docker/build.sh); tag "$0"'
    tag = subprocess.check_output(
        ["bash", "-c", script, base],
        cwd=CHART.parents[1],
        env=os.environ | {"version": exporter.__version__},
        text=True,
    )

    (brokers,) = (
        each
        for each in Rendered({"camunda": {"version": version}}).wiring.values()
        if "image" in each
    )
    assert brokers["image"]["tag"] == tag.strip()


def test_no_tag():
    """Without a full version no image is wired, nor the command that it would need."""
    wiring = Rendered({"camunda": {"version": "8.8"}}).wiring["orchestration"]

    assert wiring.keys().isdisjoint({"image", "command"})
    assert Rendered({}).wiring == {}


@pytest.mark.parametrize("mode", MODES)
def test_pulled(mode):
    """The pod with our image has our pull policy and pull secrets."""
    image = {"pullPolicy": "Never", "pullSecrets": [{"name": "ours"}]}
    values = enabled(mode, image=image)

    pod, container = exporter_in(values)

    assert container["imagePullPolicy"] == "Never"
    assert pod["imagePullSecrets"] == [{"name": "ours"}]
    if mode == "service":
        brokers = wired(values)["spec"]["template"]["spec"]
        assert "ours" not in str(brokers["imagePullSecrets"])
