"""Kubernetes accepts the rendered examples of the chart."""

import re

import kubernetes_validate
import pytest

from exporter.config.declaration import PREFIX
from exporter.config.reading import SERVICE_LINK
from tests.chart.rendering import EXAMPLES, FOREIGN, Rendered, enabled, example

VERSIONS = ["1.28", kubernetes_validate.latest_version()]

# A variable that Kubernetes injects for a Service mustn't begin with these.
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
    """No object exists twice, and each has the labels of its owner."""
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
    """Names stay texts, even if YAML could read them differently."""
    placed = {"serviceAccount": {"name": name}, "priorityClassName": name}
    values = enabled("service", persistence={"storageClassName": name}, **placed)

    for each in Rendered(values, name=name, namespace=name).objects:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
        assert each["metadata"]["namespace"] == name
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == name


@pytest.mark.parametrize("name", ["app-integrations", "camunda", "zeebe", "a"])
def test_injected_variables(name):
    """No Service makes Kubernetes inject a variable that looks like a setting."""
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


def test_repeated_labels():
    """The more specific label wins, and labels in selectors can't be changed."""
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
    """Selectors have only fixed labels, so that a StatefulSet can be upgraded."""
    rendered = Rendered(enabled("service", commonLabels={"team": "a"}))

    selector = rendered.find("StatefulSet")["spec"]["selector"]["matchLabels"]
    assert selector == rendered.find("Service")["spec"]["selector"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
