"""Every example of the chart renders into what Kubernetes accepts."""

import re

import kubernetes_validate
import pytest

from exporter.config.declaration import PREFIX
from exporter.config.reading import SERVICE_LINK
from tests.chart.rendering import EXAMPLES, FOREIGN, Rendered, enabled, example

VERSIONS = ["1.28", kubernetes_validate.latest_version()]

# What Kubernetes injects for a Service may look like none of these.
TAKEN = (PREFIX, "CAMUNDA_", "ZEEBE_", "SPRING_")


@pytest.fixture(
    scope="module", params=EXAMPLES, ids=lambda path: path.stem.removesuffix("-values")
)
def rendered(request):
    """Return each of the examples, rendered."""
    return Rendered(example(request.param))


@pytest.mark.parametrize("version", VERSIONS)
def test_valid(rendered, version):
    """Each object has only fields that Kubernetes knows, and with the right types."""
    for each in rendered.objects:
        if each["kind"] not in FOREIGN:
            kubernetes_validate.validate(each, version, strict=True)


def test_names_and_labels(rendered):
    """No object is there twice, and each says whose it is."""
    named = [(each["kind"], each["metadata"]["name"]) for each in rendered.objects]

    assert len(set(named)) == len(named)
    for each in rendered.objects:
        labels = each["metadata"]["labels"]
        test = "-check" if each["kind"] == "Pod" else ""
        assert labels["app.kubernetes.io/name"] == f"app-integrations-exporter{test}"
        assert labels["app.kubernetes.io/instance"] == "app-integrations"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert each["kind"] in FOREIGN or each["metadata"]["namespace"] == "camunda"
        assert all(re.fullmatch(r"[\w.-]{1,63}", text) for text in labels.values())


@pytest.mark.parametrize("name", ["123", "0x1", "true", "null", "a.b", "a" * 53])
def test_any_name(name):
    """Names stay texts where YAML would make something else of them."""
    placed = {"serviceAccount": {"name": name}, "priorityClassName": name}
    values = enabled("service", persistence={"storageClassName": name}, **placed)

    for each in Rendered(values, name=name, namespace=name).objects:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
        assert each["metadata"]["namespace"] == name
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == name


@pytest.mark.parametrize("name", ["app-integrations", "camunda", "zeebe", "a"])
def test_injected_variables(name):
    """No Service makes Kubernetes inject what looks like a setting of anybody."""
    service = Rendered(enabled("service"), name=name).find("Service")

    start = service["metadata"]["name"].upper().replace("-", "_")
    injected = [f"{start}_SERVICE_HOST=10.0.0.1", f"{start}_PORT=tcp://10.0.0.1:9280"]
    for line in injected:
        assert not line.startswith(TAKEN)
        assert SERVICE_LINK.fullmatch(line)


def test_everything_labelled():
    """Labels and annotations for every object are on every object, and on the pod."""
    common = {"commonLabels": {"team": "a"}, "commonAnnotations": {"note": "b"}}
    monitors = {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}
    rendered = Rendered(enabled("service", **common, **monitors))

    pod = rendered.find("StatefulSet")["spec"]["template"]
    for each in [*rendered.objects, pod]:
        assert each["metadata"]["labels"]["team"] == "a"
        assert each["metadata"]["annotations"]["note"] == "b"


def test_labels_said_twice():
    """The nearer label wins, once; what selects pods is nobody's to change."""
    name, part = "app.kubernetes.io/name", "app.kubernetes.io/part-of"
    common = {"commonLabels": {part: "ours", "team": "a", "empty": "", name: "x"}}
    near = {"podLabels": {"team": "b"}, "podMonitor": {"labels": {"team": "c"}}}
    near["podMonitor"]["enabled"] = True
    rendered = Rendered(enabled("service", **common, **near))

    pod = rendered.find("StatefulSet")["spec"]["template"]
    found = [
        each["metadata"]["labels"]
        for each in (rendered.find("Service"), pod, rendered.find("PodMonitor"))
    ]
    assert [labels["team"] for labels in found] == ["a", "b", "c"]
    for labels in found:
        assert labels[part] == "ours"
        assert labels["empty"] == ""
        assert labels[name] == "app-integrations-exporter"


def test_selectors_stay():
    """Labels that may change are in no selector: a StatefulSet couldn't be upgraded."""
    rendered = Rendered(enabled("service", commonLabels={"team": "a"}))

    selector = rendered.find("StatefulSet")["spec"]["selector"]["matchLabels"]
    assert selector == rendered.find("Service")["spec"]["selector"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
