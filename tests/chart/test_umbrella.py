"""Below another chart, the chart renders what it renders alone."""

import shutil

import pytest
import yaml

from scripts.chart import CHART, MODES
from tests.chart.rendering import ENV, Rendered, enabled

ABOUT = {
    "apiVersion": "v2",
    "name": "platform",
    "version": "1.0.0",
    "dependencies": [
        {
            "name": CHART.name,
            "version": "0.1.0",
            "alias": "events",
            "condition": "events.enabled",
        }
    ],
}

# A chart made with `helm create exporter` defines templates of such names.
OTHERS = """\
{{- define "exporter.name" -}}other{{- end }}
{{- define "exporter.labels" -}}other: label{{- end }}
"""


@pytest.fixture
def umbrella(tmp_path):
    """Return a chart with templates of its own that has ours below it, renamed."""
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(ABOUT), encoding="utf-8")
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    (tmp_path / "templates").mkdir()
    helpers = tmp_path / "templates" / "_helpers.tpl"
    helpers.write_text(OTHERS, encoding="utf-8")
    return tmp_path


def unnamed(rendered):
    """Return the objects of *rendered*, but for the chart's own name."""
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


def test_condition(umbrella):
    """While the flag is off, Helm leaves out all of it."""
    assert Rendered({"events": enabled(enabled=False)}, chart=umbrella).objects == []


def test_values_for_all(umbrella):
    """The registry and whatever else is global is used by ours, too."""
    values = enabled("sidecar", backend={"url": "https://{{ .Values.global.host }}/"})
    shared = {"host": "b.example", "image": {"registry": "registry.example"}}

    below = Rendered({"events": values, "global": shared}, chart=umbrella)

    (sidecar,) = below.wiring["orchestration"]["initContainers"]
    assert sidecar["image"].startswith("registry.example/app-integrations-exporter:")
    own = below.read("app-integrations-exporter-settings")
    assert own["APP_INTEGRATIONS_URL"] == "https://b.example/"
    assert below.read(ENV)
