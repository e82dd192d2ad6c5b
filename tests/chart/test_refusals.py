"""Values that can't be used are refused, in a sentence that says what to do."""

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from scripts import helm
from scripts.chart import CHART, MODES
from scripts.helm import RefusedError
from tests.chart.rendering import Rendered, enabled

MISTAKES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case):
    """Each mistake is told with the value it is in, and with what would be right."""
    mistake = MISTAKES[case]
    values = enabled(mistake.get("mode", "embedded")) | mistake["values"]

    with pytest.raises(RefusedError) as refused:
        Rendered(values)

    assert mistake["says"] in refused.value.args[0]


@pytest.mark.parametrize(
    "version", ["8.8foo", "8.8 ", "08.8", "8.8.021", "8.8.21.1", "8.8.21_1", "8.8.1+b"]
)
@pytest.mark.parametrize("mode", MODES)
def test_versions(mode, version):
    """What only begins like a version is refused, and breaks nothing while it's off."""
    values = enabled(mode, camunda={"version": version})

    assert Rendered(values | {"enabled": False}).wiring == {}
    with pytest.raises(RefusedError) as refused:
        Rendered(values)
    assert f'camunda.version is "{version}", must be like 8.8' in str(refused.value)


def test_all_mistakes_at_once():
    """Several mistakes are told together, each in its line."""
    env = {"APP_INTEGRATIONS_BATCH_SIZE": 0, "APP_INTEGRATIONS_LOG_FORMAT": "xml"}
    with pytest.raises(RefusedError) as refused:
        Rendered(enabled("service", ingest={}, camunda={}, env=env))

    lines = refused.value.args[0].splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        "env.APP_INTEGRATIONS_BATCH_SIZE",
        "env.APP_INTEGRATIONS_LOG_FORMAT",
        "camunda.version",
        "ingest.secret",
    ]


def test_secrets_are_not_shown():
    """What is refused of a secret isn't printed."""
    values = enabled(apiKey={"secret": {"inlineSecret": "Käse"}})

    with pytest.raises(RefusedError) as refused:
        Rendered(values)

    assert "Käse" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://user:made-up@b.example", "https://b.example /?key=made-up"]
)
def test_secrets_in_urls_are_not_shown(url):
    """Nor is what a URL may hide in front of the host, or behind the path."""
    name = "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL"
    values = enabled(backend={"url": url}, env={name: url})

    with pytest.raises(RefusedError) as refused:
        Rendered(values)

    assert str(refused.value).count("b.example") == 2
    assert "made-up" not in str(refused.value)


NEEDLESS = [
    *("backend.secret", "env", "ingest", "apiKey", "tls.ca"),
    *("extraEnv", "envFrom", "extraVolumes", "extraVolumeMounts", "image.tag"),
    *("commonLabels", "commonAnnotations", "podLabels", "podAnnotations"),
    *("resources", "livenessProbe", "containerSecurityContext.runAsUser"),
]
NEEDED = [
    *("mode", "backend", "camunda", "camunda.release", "image", "image.repository"),
    *("persistence", "persistence.enabled", "persistence.size", "networkPolicy"),
    *("podMonitor", "serviceMonitor", "prometheusRule", "global.compatibility"),
]


def without(values, path):
    """Return *values* with null at *path*, which takes away what was there."""
    name, _, rest = path.partition(".")
    return values | {name: without(values.get(name, {}), rest) if rest else None}


@pytest.mark.parametrize("path", NEEDLESS)
def test_null(path):
    """Null, or a name with nothing behind it, means none, as an empty value does."""
    modes = MODES[:1] if path == "ingest" else MODES

    for mode in modes:
        values = enabled(mode, image={"tag": "a"})
        for each in Rendered(without(values, path)).objects:
            kubernetes_validate.validate(each, "1.34", strict=True)


@pytest.mark.parametrize("path", NEEDED)
def test_null_is_refused(path):
    """It is refused where something has to be there, for what has to be."""
    with pytest.raises(RefusedError) as refused:
        Rendered(without(enabled("service"), path))

    assert f"missing property '{path.split('.')[-1]}'" in str(refused.value)


def test_mistakes_wait_for_the_flag():
    """While it is off, values that aren't complete yet are no mistake."""
    Rendered({"mode": "service"})


def test_a_chart_above():
    """What a chart above ours says to all of its parts is accepted."""
    values = enabled() | {"global": {"host": "a.example", "image": {"tag": "1"}}}

    assert Rendered(values).objects


@pytest.mark.parametrize("version,told", [("1.28.9", True), ("1.29.0", False)])
def test_sidecars_need_kubernetes(version, told, capfd):
    """Before 1.29 a sidecar would keep the broker from starting: it is refused."""
    helm.lint(CHART, enabled("sidecar"), kubernetes=version)

    # While it lints, Helm lets a chart fail, and prints why.
    sentence = "mode is sidecar, must be embedded or service before Kubernetes 1.29"
    assert (sentence in capfd.readouterr().err) is told


def test_lint():
    """Helm itself has nothing to object, and nothing to recommend."""
    assert helm.lint(CHART, enabled()) == []
