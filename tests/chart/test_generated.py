"""The generated files of the chart match their sources; `make docs` updates them."""

import json
import tarfile

import pytest
import yaml

import exporter
from scripts import chart, helm
from tests.chart.rendering import EXAMPLES, Rendered, enabled

FILES = chart.files()
SCHEMA = json.loads(chart.schema())
VALUES = [each.path for each in chart.values()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_generated_files(path):
    """Each generated file is up to date."""
    assert path.read_text(encoding="utf-8") == FILES[path]


def leaves(node, schema=SCHEMA, path=""):
    """Yield the path of each value without properties in the schema."""
    for name, value in node.items():
        inner = schema["properties"][name]
        if isinstance(value, dict) and "properties" in inner and name != "env":
            yield from leaves(value, inner, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_every_value():
    """Each value is documented, and an example sets it, except secrets: all alike."""
    defaults = yaml.safe_load((chart.CHART / "values.yaml").read_text("utf-8"))
    assert list(leaves(defaults)) == VALUES

    tried = {value for each in EXAMPLES.values() for value in leaves(each)}
    assert {path for path in VALUES if ".secret." not in path} - tried == set()


def test_archive(tmp_path):
    """The archive renders as the directory does."""
    archive = helm.archive(chart.CHART, tmp_path)

    assert archive.name == f"{chart.CHART.name}-{exporter.__version__}.tgz"
    packed, unpacked = Rendered(enabled(), chart=archive), Rendered(enabled())
    assert packed.objects == unpacked.objects
    assert packed.notes == unpacked.notes


def test_released_chart(tmp_path):
    """A released chart has its project's address, and the version of the package."""
    home = "https://project.example/exporter"
    with tarfile.open(helm.archive(chart.CHART, tmp_path, home)) as packed:
        about = yaml.safe_load(packed.extractfile(f"{chart.CHART.name}/Chart.yaml"))

    before = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["home"] == home
    assert about["sources"] == [home, *before["sources"]]
    assert about["icon"].startswith("data:image/svg+xml")
    assert about["version"] == about["appVersion"] == exporter.__version__
