"""
The official chart: the one that CAMUNDA_CHART names (a directory or an archive).

Without it, a stub of what we need of that chart, as of any version of Camunda.
"""

import atexit
import os
import re
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import yaml

STUB = Path(__file__).with_name("camunda-platform")
OWN = os.environ.get("CAMUNDA_CHART")


def version_of(chart):
    """Return the version of Camunda that *chart* installs, like 8.8."""
    if chart.is_dir():
        about = (chart / "Chart.yaml").read_text("utf-8")
    else:
        with tarfile.open(chart) as archive:
            name = f"{archive.getnames()[0].partition('/')[0]}/Chart.yaml"
            about = archive.extractfile(name).read()
    return yaml.safe_load(about)["appVersion"].removesuffix(".x")


VERSION = version_of(Path(OWN or STUB))
VERSIONS = [VERSION] if OWN else ["8.7", VERSION, "8.10"]


@cache
def official(version=VERSION):
    """Return the chart for *version* of Camunda, like 8.8."""
    if OWN or version == VERSION:
        return Path(OWN or STUB)
    scratch = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, scratch)
    copy = Path(shutil.copytree(STUB, Path(scratch) / STUB.name))
    about = copy / "Chart.yaml"
    text = about.read_text("utf-8")
    line = f"appVersion: {version}.x"
    about.write_text(re.sub("appVersion: .+", line, text), encoding="utf-8")
    return copy


def key(version=VERSION):
    """Return the key of the brokers' values, which is their container's name, too."""
    return "zeebe" if version in ("8.5", "8.6", "8.7") else "orchestration"
