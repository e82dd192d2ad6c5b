"""The chart with some values, as the objects that Kubernetes gets."""

import base64
import shutil
from functools import cache, partial
from pathlib import Path

import kubernetes_validate.utils
import yaml

from scripts import helm
from scripts.chart import CHART

EXAMPLES = {
    path.stem.removesuffix("-values"): yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((CHART / "ci").glob("*-values.yaml"))
}
KUBERNETES = ["1.28", kubernetes_validate.latest_version()]

# The Prometheus operator defines these: Kubernetes can't check them.
FOREIGN = {"PodMonitor", "PrometheusRule", "ServiceMonitor"}

ENV, OWN = "app-integrations-exporter-env", "app-integrations-exporter-settings"
FILES = "app-integrations-exporter-files"

BACKEND = {"url": "https://backend.example/events"}

# Otherwise megabytes of schemas are read again for each object.
kubernetes_validate.utils.schema_contents = cache(
    kubernetes_validate.utils.schema_contents
)


def enabled(mode="embedded", **changes):
    """Return the fewest values that enable the exporter in *mode*, with *changes*."""
    least = {"enabled": True, "mode": mode, "backend": BACKEND}
    least["camunda"] = {"version": "8.8.21" if mode == "embedded" else "8.8"}
    if mode == "service":
        least["ingest"] = inline("made-up")
    return least | changes


def inline(text):
    """Return the values of a secret with *text*."""
    return {"secret": {"inlineSecret": text}}


def parent(directory, template, **dependency):
    """Write a chart to *directory* with *template* that has ours below it."""
    about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0"}
    about["dependencies"] = [{"name": CHART.name, "version": "0.1.0"} | dependency]
    (directory / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    shutil.copytree(CHART, directory / "charts" / CHART.name)
    (directory / "templates").mkdir()
    (directory / "templates" / "own.yaml").write_text(template, encoding="utf-8")


def own(mode):
    """Return the name of the ConfigMap and Secret that the exporter reads."""
    return ENV if mode == "embedded" else OWN


def valid(*objects):
    """Assert that the oldest and the newest Kubernetes accept *objects*."""
    for each in objects:
        if each["kind"] not in FOREIGN:
            for version in KUBERNETES:
                kubernetes_validate.validate(each, version, strict=True)


def restricted(container):
    """Assert the restricted profile for *container*, and a read-only root."""
    assert (
        container["securityContext"].items()
        >= {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "readOnlyRootFilesystem": True,
        }.items()
    )


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A YAML loader that refuses repeated keys, as `kubectl apply` does."""

    def construct_mapping(self, node, deep=False):  # noqa: FBT002 -- PyYAML's own
        """Return the mapping of *node*, unless a key is in it twice."""
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"twice among {keys}"
        return super().construct_mapping(node, deep)


class Rendered:
    """All objects of one installation, and its notes."""

    def __init__(self, values, *, chart=CHART, **release):
        """Render *chart* with *values*; raises `RefusedError`."""
        texts = helm.render(Path(chart), values, **release)
        self._notes = partial(helm.notes, Path(chart), values, **release)
        self.objects = [
            each
            for text in texts.values()
            for each in yaml.load_all(text, Loader)
            if each is not None
        ]

    @property
    def notes(self):
        """What Helm prints after an installation."""
        return self._notes()

    def find(self, kind, name=None):
        """Return the only object of *kind*, or of *kind* and *name*, or None."""
        found = [
            each
            for each in self.objects
            if each["kind"] == kind and name in (None, each["metadata"]["name"])
        ]
        assert len(found) < 2, f"several of {kind} {name}"
        return found[0] if found else None

    def read(self, name):
        """Return the variables or files in the ConfigMap and the Secret *name*."""
        plain = self.find("ConfigMap", name) or {"data": {}}
        secret = self.find("Secret", name) or {"data": {}}
        texts = {
            key: base64.b64decode(value).decode()
            for key, value in secret["data"].items()
        }
        assert not plain["data"].keys() & texts.keys()
        return plain["data"] | texts

    @property
    def pod(self):
        """The template of the exporter's own pod in mode `service`."""
        return self.find("StatefulSet")["spec"]["template"]

    @property
    def wiring(self):
        """The values for the release of Camunda."""
        found = self.find("ConfigMap", "app-integrations-exporter-wiring")
        return yaml.load(found["data"]["values.yaml"], Loader)  # noqa: S506 -- a safe one
