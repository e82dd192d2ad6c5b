"""Kubernetes accepts the rendered examples of the chart."""

import re

import pytest

from exporter.config.declaration import PREFIX
from exporter.config.reading import SERVICE_LINK
from tests.chart.rendering import EXAMPLES, FOREIGN, Rendered, enabled, valid

NAME, PART = "app.kubernetes.io/name", "app.kubernetes.io/part-of"


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example):
    """Each object is valid and exists once, with the labels of its owner."""
    objects = Rendered(EXAMPLES[example]).objects

    valid(*objects)
    named = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(named)) == len(named)
    for each in objects:
        labels = each["metadata"]["labels"]
        test = "-check" if each["kind"] == "Pod" else ""
        assert (
            labels.items()
            >= {
                NAME: f"app-integrations-exporter{test}",
                PART: "camunda-platform",
                "app.kubernetes.io/instance": "app-integrations",
                "app.kubernetes.io/managed-by": "Helm",
            }.items()
        )
        assert each["kind"] in FOREIGN or each["metadata"]["namespace"] == "camunda"
        assert all(re.fullmatch(r"[\w.-]{1,63}", text) for text in labels.values())


@pytest.mark.parametrize("name", ["123", "0x1", "true", "null", "a.b", "a" * 53])
def test_any_name(name):
    """Names stay texts, even if YAML could read them differently."""
    placed = {"serviceAccount": {"name": name}, "priorityClassName": name}
    values = enabled("service", persistence={"storageClassName": name}, **placed)

    objects = Rendered(values, name=name, namespace=name).objects

    valid(*objects)
    for each in objects:
        assert each["metadata"]["namespace"] == name
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == name


@pytest.mark.parametrize("name", ["app-integrations", "camunda", "zeebe", "a"])
def test_injected_variables(name):
    """No Service makes Kubernetes inject a variable that looks like a setting."""
    service = Rendered(enabled("service"), name=name).find("Service")

    start = service["metadata"]["name"].upper().replace("-", "_")
    for line in f"{start}_SERVICE_HOST=10.0.0.1", f"{start}_PORT=tcp://10.0.0.1:9280":
        assert not line.startswith((PREFIX, "CAMUNDA_", "ZEEBE_", "SPRING_"))
        assert SERVICE_LINK.fullmatch(line)


def test_common_labels_and_annotations():
    """They are on every object and on the pod; a more specific one wins."""
    values = enabled(
        "service",
        commonLabels={PART: "ours", "team": "a", "empty": "", NAME: "x"},
        commonAnnotations={"note": "a", "team": "a"},
        podLabels={"team": "b"},
        podMonitor={"enabled": True, "labels": {"team": "c"}},
        serviceMonitor={"enabled": True},
        service={"annotations": {"note": "b"}},
        persistence={"annotations": {"note": "c"}},
    )
    rendered = Rendered(values)
    stateful = rendered.find("StatefulSet")

    about = {each["kind"]: each["metadata"] for each in rendered.objects}
    about["pod"] = rendered.pod["metadata"]
    for kind, metadata in about.items():
        labels = metadata["labels"]
        team = {"pod": "b", "PodMonitor": "c"}.get(kind, "a")
        assert (labels["team"], labels[PART], labels["empty"]) == (team, "ours", "")
        assert labels[NAME].startswith("app-integrations-exporter")
        note = "b" if kind == "Service" else "a"
        assert metadata["annotations"].items() >= {"note": note, "team": "a"}.items()
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["annotations"] == {"note": "c"}
    # Fixed selectors: otherwise the StatefulSet couldn't be upgraded.
    selector = stateful["spec"]["selector"]["matchLabels"]
    assert selector == rendered.find("Service")["spec"]["selector"]
    assert set(selector) == {NAME, "app.kubernetes.io/instance"}
