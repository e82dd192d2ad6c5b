"""Below another chart, the chart renders the same objects as alone."""

import pytest

from scripts.chart import MODES
from tests.chart.rendering import ENV, OWN, Rendered, enabled, parent

# A chart made with `helm create exporter` defines templates of such names.
OTHERS = """\
{{- define "exporter.name" -}}other{{- end }}
{{- define "exporter.labels" -}}other: label{{- end }}
"""


@pytest.fixture
def umbrella(tmp_path):
    """Return a chart that has ours below it as `events`, and templates of its own."""
    parent(tmp_path, OTHERS, alias="events")
    return tmp_path


def unnamed(rendered):
    """Return the objects of *rendered* without the chart's own name."""
    for each in rendered.objects:
        each["metadata"]["labels"].pop("helm.sh/chart")
        pod = each.get("spec", {}).get("template", {"metadata": {"labels": {}}})
        pod["metadata"]["labels"].pop("helm.sh/chart", None)
    return sorted(rendered.objects, key=lambda each: str(each["metadata"]))


@pytest.mark.parametrize("mode", MODES)
def test_same_below_another(umbrella, mode):
    """An alias, and templates of other charts, change nothing."""
    below = Rendered({"events": enabled(mode)}, chart=umbrella)

    assert unnamed(below) == unnamed(Rendered(enabled(mode)))


def test_global_values(umbrella):
    """Ours uses the global registry, and templates of ours see all global values."""
    values = enabled("sidecar", backend={"url": "https://{{ .Values.global.host }}/"})
    shared = {"host": "b.example", "image": {"registry": "registry.example"}}

    below = Rendered({"events": values, "global": shared}, chart=umbrella)

    (sidecar,) = below.wiring["orchestration"]["initContainers"]
    assert sidecar["image"].startswith("registry.example/app-integrations-exporter:")
    assert below.read(OWN)["APP_INTEGRATIONS_URL"] == "https://b.example/"
    assert below.read(ENV)
