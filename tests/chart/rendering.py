"""What the chart makes of values, as the objects that Kubernetes gets."""

import base64
from functools import cache, partial
from pathlib import Path

import kubernetes_validate.utils
import yaml

from scripts import helm
from scripts.chart import CHART

EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))

# What the Prometheus operator defines; Kubernetes itself can't judge it.
FOREIGN = {"PodMonitor", "PrometheusRule", "ServiceMonitor"}

ENV, OWN = "app-integrations-exporter-env", "app-integrations-exporter-settings"

BACKEND = {"url": "https://backend.example/events"}

# It would read megabytes of schemas again for each object.
kubernetes_validate.utils.schema_contents = cache(
    kubernetes_validate.utils.schema_contents
)


def example(path):
    """Return the values of one of the chart's examples."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def enabled(mode="embedded", **changes):
    """Return the least that switches the exporter on in *mode*, with *changes*."""
    least = {"enabled": True, "mode": mode, "backend": BACKEND}
    least["camunda"] = {"version": "8.8.21" if mode == "embedded" else "8.8"}
    if mode == "service":
        least["ingest"] = {"secret": {"inlineSecret": "made-up"}}
    return least | changes


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML as strictly as `kubectl apply` does: no key stands there twice."""

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
        """What Helm prints."""
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
        """Return what a container reads of the ConfigMap and the Secret *name*."""
        told = self.find("ConfigMap", name) or {"data": {}}
        hidden = self.find("Secret", name) or {"data": {}}
        texts = {
            key: base64.b64decode(value).decode()
            for key, value in hidden["data"].items()
        }
        assert not told["data"].keys() & texts.keys()
        return told["data"] | texts

    @property
    def wiring(self):
        """The values for the release of Camunda."""
        found = self.find("ConfigMap", "app-integrations-exporter-wiring")
        return yaml.load(found["data"]["values.yaml"], Loader)  # noqa: S506 -- a safe one
