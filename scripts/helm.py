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

NOTES = "NOTES.txt"

# Without a cluster, Helm assumes the version that it was built for.
KUBERNETES = "1.34.0"


class RefusedError(Exception):
    """Helm refuses to render a chart with these values."""


def command() -> str | None:
    """Return the path of `helm`, or None to use the engine."""
    return shutil.which(os.environ.get("HELM", "helm") or "no-helm")


def render(
    chart: Path,
    values: Mapping[str, Any],
    *,
    name: str = "app-integrations",
    namespace: str = "camunda",
) -> dict[str, str]:
    """
    Return the rendered templates of *chart* by path, without the chart's name.

    The notes aren't included. Raise `RefusedError` if Helm refuses *values*.
    """
    helm = command()
    if helm:
        texts = _by_command(helm, chart, values, name, namespace)
    else:
        texts = _by_engine(chart, values, name, namespace)
    paths = {path: path.partition("/templates/")[2] for path in texts}
    return {path: texts[whole] for whole, path in paths.items() if path != NOTES}


def notes(
    chart: Path,
    values: Mapping[str, Any],
    *,
    name: str = "app-integrations",
    namespace: str = "camunda",
) -> str:
    """Return the notes of *chart*, which Helm 3 doesn't show without a cluster."""
    texts = _by_engine(chart, values, name, namespace)
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


def _by_engine(
    chart: Path, values: Mapping[str, Any], name: str, namespace: str
) -> dict[str, str]:
    try:
        with Chart.load(chart) as loaded:
            return loaded.render(dict(values), name=name, namespace=namespace)
    except HelmError as error:
        raise RefusedError(str(error)) from error


def _by_command(
    helm: str, chart: Path, values: Mapping[str, Any], name: str, namespace: str
) -> dict[str, str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        json.dump(dict(values), file)  # avoids differences between YAML versions
        file.flush()
        arguments = [name, str(chart), "--namespace", namespace, "--values", file.name]
        done = subprocess.run(  # noqa: S603 -- the user's own helm
            [helm, "template", *arguments, "--kube-version", KUBERNETES],
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
