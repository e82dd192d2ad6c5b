"""Values that only Helm can check are refused, and the message says what to do."""

import os
from pathlib import Path
from unittest import mock

import pytest
import yaml
from helm_python.chart import lint

from exporter.config import settings
from exporter.config.settings import SettingsError
from scripts.chart import CHART, MODES
from scripts.helm import RefusedError
from tests.chart.rendering import OWN, Rendered, enabled, own, valid

MISTAKES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case):
    """Each mistake is refused with the name of its value."""
    mistake = MISTAKES[case]
    values = enabled(mistake.get("mode", "embedded")) | mistake["values"]

    with pytest.raises(RefusedError) as refused:
        Rendered(values)

    assert mistake["says"] in refused.value.args[0]


@pytest.mark.parametrize(
    "version", ["8.8foo", "8.8 ", "08.8", "8.8.021", "8.8.21.1", "8.8.21_1", "8.8.1+b"]
)
def test_versions(version):
    """A malformed version is refused, and breaks nothing while the flag is off."""
    values = enabled("service", camunda={"version": version})

    assert Rendered(values | {"enabled": False}).wiring == {}
    with pytest.raises(RefusedError) as refused:
        Rendered(values)
    assert f'camunda.version is "{version}"' in str(refused.value)


def test_all_mistakes_at_once():
    """Several mistakes are reported together, each on a line of its own."""
    env = {"APP_INTEGRATIONS_ADMIN_PORT": 0, "APP_INTEGRATIONS_API_KEY": "made-up"}

    with pytest.raises(RefusedError) as refused:
        Rendered(enabled("service", ingest={}, camunda={}, env=env))

    text = str(refused.value)
    for name in ("ADMIN_PORT", "API_KEY", "camunda.version", "ingest.secret"):
        assert name in text
    assert "made-up" not in text


def test_the_exporter_checks_values():
    """A value that only the exporter can check is rendered, and refused by it."""
    env = {"APP_INTEGRATIONS_BATCH_SIZE": 0, "APP_INTEGRATIONS_EVENTS": "insident"}
    rendered = Rendered(enabled("service", env=env))

    with (
        mock.patch.dict(os.environ, rendered.read(OWN), clear=True),
        pytest.raises(SettingsError) as refused,
    ):
        settings.load()

    found = [line.split()[0] for line in refused.value.mistakes]
    assert found == ["APP_INTEGRATIONS_EVENTS", "APP_INTEGRATIONS_BATCH_SIZE"]


@pytest.mark.parametrize(
    "mode,variable,text,changes",
    [
        # A sidecar that isn't probed may listen on loopback only.
        ("sidecar", "ADMIN_HOST", "127.0.0.1", {"livenessProbe": None}),
        # In this mode, neither brokers nor Services read the setting from the values.
        ("embedded", "EVENTS_FILE", "/etc/events", {}),
    ],
)
def test_accepted(mode, variable, text, changes):
    """A mistake in one mode is accepted in another where it has no bad effect."""
    env = {f"APP_INTEGRATIONS_{variable}": text}

    rendered = Rendered(enabled(mode, env=env, **changes))

    assert rendered.read(own(mode))[f"APP_INTEGRATIONS_{variable}"] == text


def without(values, path):
    """Return *values* with null at *path*, which removes the value there."""
    name, _, rest = path.partition(".")
    return values | {name: without(values.get(name, {}), rest) if rest else None}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "path",
    [
        *("backend.secret", "env", "apiKey", "tls.ca", "ingest.secret.existingSecret"),
        *("extraEnv", "envFrom", "extraVolumes", "extraVolumeMounts", "image.tag"),
        *("commonLabels", "commonAnnotations", "podLabels", "podAnnotations"),
        *("resources", "livenessProbe", "containerSecurityContext.runAsUser"),
    ],
)
def test_null(mode, path):
    """Null means the same as an empty value."""
    valid(*Rendered(without(enabled(mode, image={"tag": "a"}), path)).objects)


@pytest.mark.parametrize(
    "path",
    [
        *("mode", "backend", "camunda", "camunda.release", "image", "image.repository"),
        *("persistence", "persistence.enabled", "persistence.size", "networkPolicy"),
        *("podMonitor", "serviceMonitor", "prometheusRule", "global.compatibility"),
    ],
)
def test_null_is_refused(path):
    """Null is refused for a value that the templates need."""
    with pytest.raises(RefusedError) as refused:
        Rendered(without(enabled("service"), path))

    assert f"missing property '{path.split('.')[-1]}'" in str(refused.value)


@pytest.mark.parametrize("version,refused", [("1.28.9", True), ("1.29.0", False)])
def test_sidecars_need_kubernetes(version, refused, capfd):
    """Mode sidecar is refused before 1.29, where it would block the broker."""
    report = lint(CHART, enabled("sidecar"), strict=True, kube_version=version)

    assert report["messages"] == []
    # `helm lint` only prints the failure.
    sentence = "mode is sidecar, which needs Kubernetes 1.29"
    assert (sentence in capfd.readouterr().err) is refused
