"""The exporter reads its settings and secrets from what the chart renders."""

import pytest
import yaml

from exporter.broker.takeover import OFFICIAL
from exporter.broker.wanted import why_off
from exporter.config.settings import DECLARED
from scripts.chart import MODES
from tests.chart.official import exporter_in
from tests.chart.rendering import (
    ENV,
    EXAMPLES,
    FILES,
    OWN,
    Rendered,
    enabled,
    inline,
    own,
)

SECRETS = {
    "APP_INTEGRATIONS_URL": "backend",
    "APP_INTEGRATIONS_API_KEY": "apiKey",
    "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET": "oauth",
    "APP_INTEGRATIONS_SIGNING_SECRETS": "signing",
    "APP_INTEGRATIONS_HEADERS": "headers",
    "APP_INTEGRATIONS_INGEST_PASSWORD": "ingest",
}
PEM = {
    "APP_INTEGRATIONS_TLS_CA_PATH": "ca",
    "APP_INTEGRATIONS_TLS_CERT_PATH": "cert",
    "APP_INTEGRATIONS_TLS_KEY_PATH": "key",
}
# The chart sets two of these itself, and the third excludes the others.
APART = {f"APP_INTEGRATIONS_{name}" for name in ("ENABLED", "SPOOL_DIR", "BACKENDS")}
# A number, or a text that no other setting has.
VALUES = {
    each.variable: each.default if isinstance(each.default, int) else f"<{each.name}>"
    for each in DECLARED
    if each.variable not in PEM.keys() | APART
}
CERTIFICATE = "-----BEGIN\r\nabc\r\n"


@pytest.fixture(scope="module", params=MODES)
def everything(request):
    """Return mode and installation with all settings, secrets and certificates."""
    secrets = {SECRETS[name]: inline(VALUES[name]) for name in SECRETS}
    tls = {name: inline(CERTIFICATE) for name in PEM.values()}
    env = {name: VALUES[name] for name in VALUES if name not in SECRETS}
    return request.param, Rendered(enabled(request.param, **secrets, tls=tls, env=env))


def test_every_setting(everything):
    """The exporter gets each setting, secret and certificate as in the values."""
    mode, rendered = everything
    variables = rendered.read(own(mode))

    assert {name: variables[name] for name in VALUES} == {
        name: str(value) for name, value in VALUES.items()
    }
    files = rendered.read(FILES)
    assert [variables[name] for name in PEM] == [
        f"/etc/app-integrations/{name}" for name in files
    ]
    assert set(files.values()) == {CERTIFICATE}


def test_secrets_stay_secret(everything):
    """Secrets are in Secrets only: not in a ConfigMap, and not in the notes."""
    _, rendered = everything
    others = [each for each in rendered.objects if each["kind"] != "Secret"]

    shown = yaml.safe_dump(others, width=1000) + rendered.notes

    assert not [name for name in SECRETS if VALUES[name] in shown]


@pytest.mark.parametrize(
    "secret",
    [
        *("\"'\\", "$(A) ${B} $C", "{{ .Values.enabled }}", "0012", "1e10"),
        *("8.10", "yes", "a: b #"),
    ],
)
def test_odd_secrets(secret):
    """A secret arrives unchanged, whatever it means to YAML, Helm or a shell."""
    values = enabled("service", apiKey=inline(secret), tls={"ca": inline(secret)})

    rendered = Rendered(values)

    assert rendered.read(OWN)["APP_INTEGRATIONS_API_KEY"] == secret
    assert rendered.read(FILES)["tls.ca"] == secret


@pytest.mark.parametrize("nothing", ["", None, "{{ .Values.image.tag }}"])
def test_nothing(nothing):
    """An empty setting isn't set, so the chart's own value remains."""
    names = ("BATCH_SIZE", "INGEST_HOST", "SPOOL_DIR", "ADMIN_PORT")
    env = {f"APP_INTEGRATIONS_{name}": nothing for name in names}

    rendered = Rendered(enabled("service", env=env))

    assert rendered.objects == Rendered(enabled("service")).objects


@pytest.mark.parametrize("mode", MODES)
def test_templates(mode):
    """The URL and the texts in `env` and `extraEnv` can be templates."""
    release = "{{ .Release.Namespace }}-{{ .Values.camunda.release }}"
    values = enabled(mode, backend={"url": "https://{{ .Release.Name }}.example/"})
    values["env"] = {"APP_INTEGRATIONS_CLUSTER_ID": release}
    values["extraEnv"] = [{"name": "WHERE", "value": release}]

    variables = Rendered(values).read(own(mode))

    assert variables["APP_INTEGRATIONS_CLUSTER_ID"] == "camunda-camunda"
    assert variables["APP_INTEGRATIONS_URL"] == "https://app-integrations.example/"
    _, container = exporter_in(values)
    assert container["env"][-1] == {"name": "WHERE", "value": "camunda-camunda"}


@pytest.mark.parametrize("mode", MODES)
def test_existing_secrets_are_files(mode):
    """Secrets with keys of any name become files, in every mode."""
    secret = {"existingSecret": "mine", "existingSecretKey": "a key.txt"}
    values = enabled(mode) | {name: {"secret": secret} for name in SECRETS.values()}
    if mode != "embedded":  # here a variable of the broker contains this key
        values["ingest"] = {"secret": secret | {"existingSecretKey": "a_key"}}
    values["tls"] = {name: {"secret": secret} for name in PEM.values()}

    pod, container = exporter_in(values)

    (volume,) = [v for v in pod["volumes"] if v["name"] == "app-integrations-secrets"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == volume["name"]]
    sources = [each["secret"] for each in volume["projected"]["sources"]]
    files = {f"{mount['mountPath']}/{s['items'][0]['path']}" for s in sources}
    variables = Rendered(values).read(own(mode))
    named = {name: variables[name] for name in variables if "/etc/" in variables[name]}
    assert named.keys() == {f"{name}_FILE" for name in SECRETS} | PEM.keys()
    assert files == set(named.values())
    assert len(files) == len(named)
    assert all(each["name"] == "mine" for each in sources)
    # A missing Secret delays the exporter's own pod, but never a broker.
    assert {each["optional"] for each in sources} == {mode != "service"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_switched_off(example):
    """With the flag off, the only variable switches the entrypoint off."""
    values = EXAMPLES[example] | {"enabled": False}

    rendered = Rendered(values)

    embedded = values.get("mode", "embedded") == "embedded"
    off = {"APP_INTEGRATIONS_ENABLED": "false"} if embedded else {}
    assert rendered.read(ENV) == off
    assert len(rendered.objects) == 1 + len(off)


def test_an_official_exporter_is_switched_off():
    """With the flag off, the entrypoint doesn't take over an official exporter."""
    official = {"ZEEBE_BROKER_EXPORTERS_APPINT_CLASSNAME": OFFICIAL}

    assert not why_off(official)
    assert why_off(official | Rendered({}).read(ENV))
    assert not why_off(official | Rendered(enabled()).read(ENV))
