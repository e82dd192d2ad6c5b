"""
Render a chart with the `helm` in PATH, or else with Helm's engine from PyPI.

Set HELM to use another `helm`, or `HELM=` (empty) to use the engine.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from helm_python.chart import Chart, package
from helm_python.errors import HelmError

Values = Mapping[str, Any]
Release = dict[str, str]
RELEASE: Release = {"name": "app-integrations", "namespace": "camunda"}
NOTES = "NOTES.txt"

# Without a cluster, Helm assumes the version that it was built for.
KUBERNETES = "1.34.0"


class RefusedError(Exception):
    """Helm refuses to render a chart with these values."""


def command() -> str | None:
    """Return the path of `helm`, or None to use the engine."""
    return shutil.which(os.environ.get("HELM", "helm") or "no-helm")


def render(chart: Path, values: Values, **release: str) -> dict[str, str]:
    """
    Return the rendered templates of *chart* by path, without its notes.

    *release* has a name and a namespace. Raise `RefusedError` if Helm refuses *values*.
    """
    helm = command()
    if helm:
        texts = _by_command(helm, chart, values, RELEASE | release)
    else:
        texts = _by_engine(chart, values, RELEASE | release)
    paths = {path: path.partition("/templates/")[2] for path in texts}
    return {path: texts[whole] for whole, path in paths.items() if path != NOTES}


def notes(chart: Path, values: Values, **release: str) -> str:
    """Return the notes of *chart*, which Helm 3 doesn't show without a cluster."""
    texts = _by_engine(chart, values, RELEASE | release)
    return next((texts[path] for path in texts if path.endswith(f"/{NOTES}")), "")


def archive(chart: Path, destination: Path, home: str = "") -> Path:
    """Package the chart in *destination* with the URL *home*; return the archive."""
    if not home:
        return Path(package(chart, destination=destination))
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(chart, Path(scratch) / chart.name))
        file = copy / "Chart.yaml"
        about = yaml.safe_load(file.read_text(encoding="utf-8"))
        about |= {"home": home, "sources": [home, *about["sources"]]}
        file.write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
        return archive(copy, destination)


def _by_engine(chart: Path, values: Values, release: Release) -> dict[str, str]:
    try:
        with Chart.load(chart) as loaded:
            name, namespace = release["name"], release["namespace"]
            return loaded.render(dict(values), name=name, namespace=namespace)
    except HelmError as error:
        raise RefusedError(str(error)) from error


def _by_command(
    helm: str, chart: Path, values: Values, release: Release
) -> dict[str, str]:
    where = [release["name"], str(chart), "--namespace", release["namespace"]]
    done = subprocess.run(  # noqa: S603 -- the user's own helm
        [helm, "template", *where, "--values=-", "--kube-version", KUBERNETES],
        input=json.dumps(dict(values)),  # avoids differences between YAML versions
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RefusedError(done.stderr)
    texts: dict[str, str] = {}
    for text in re.split(r"(?m)^---\n", done.stdout):
        if found := re.match(r"# Source: (.+)\n", text):
            texts[found[1]] = texts.get(found[1], "") + "---\n" + text
    return texts


if __name__ == "__main__":
    _, source, target = sys.argv
    print(archive(Path(source), Path(target), os.environ.get("CHART_HOME", "")))
