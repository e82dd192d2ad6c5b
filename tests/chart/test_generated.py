"""The generated files of the chart match their sources; `make docs` updates them."""

import json
import re
import tarfile

import pytest
import yaml

import exporter
from scripts import chart, helm
from tests.chart.rendering import EXAMPLES, Rendered, enabled, example

FILES = chart.files()
DEFAULTS = yaml.safe_load((chart.CHART / "values.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_generated_files(path):
    """Each generated file is up to date."""
    assert path.read_text(encoding="utf-8") == FILES[path]


def leaves(node, schema, path=""):
    """Yield the path of each value without properties in the schema."""
    for name, value in node.items():
        inner = schema["properties"][name]
        if isinstance(value, dict) and "properties" in inner and name != "env":
            yield from leaves(value, inner, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_every_value_is_documented():
    """Each value has a description and a type, in the schema and in the README."""
    schema = json.loads(chart.schema())

    assert list(leaves(DEFAULTS, schema)) == [each.path for each in chart.values()]


def test_every_value_is_tried():
    """An example sets each value, except those of secrets, which are alike."""
    tried = set()
    for path in EXAMPLES:
        tried |= set(leaves(example(path), json.loads(chart.schema())))

    untried = {
        each.path for each in chart.values() if not re.search(r"secret\.", each.path)
    } - tried
    assert untried == set()


def test_versions():
    """Chart, application and image are released together."""
    about = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert about["version"] == about["appVersion"] == exporter.__version__


def test_archive(tmp_path):
    """The archive renders as the directory does."""
    archive = helm.archive(chart.CHART, tmp_path)

    assert archive.name == f"{chart.CHART.name}-{exporter.__version__}.tgz"
    for values in (enabled(), enabled("service"), enabled("sidecar")):
        packed, unpacked = Rendered(values, chart=archive), Rendered(values)
        assert packed.objects == unpacked.objects
        assert packed.notes == unpacked.notes


def test_home(tmp_path):
    """A released chart has its project's address and sources."""
    home = "https://project.example/exporter"
    with tarfile.open(helm.archive(chart.CHART, tmp_path, home)) as packed:
        about = yaml.safe_load(packed.extractfile(f"{chart.CHART.name}/Chart.yaml"))

    before = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["home"] == home
    assert about["sources"] == [home, *before["sources"]]
    assert about["icon"].startswith("data:image/svg+xml")


def test_alerts():
    """The alerts of the chart and of docs/operations.md are the same."""
    rendered = Rendered(enabled(prometheusRule={"enabled": True}))

    page = (chart.CHART.parents[1] / "docs" / "operations.md").read_text("utf-8")
    _, _, rules = page.partition("```yaml\n")
    documented = yaml.safe_load(rules.partition("```")[0])
    spec = yaml.safe_dump(rendered.find("PrometheusRule")["spec"], width=1000)
    assert yaml.safe_load(spec.replace(', namespace="camunda"', "")) == documented
