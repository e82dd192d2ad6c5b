"""What the chart renders is what the exporter, and the broker, understand."""

import os
from typing import NamedTuple
from unittest import mock

import pytest

from exporter.broker.environment import NEWEST, broker_environment
from exporter.broker.takeover import OFFICIAL
from exporter.broker.wanted import is_wanted
from exporter.config import settings
from exporter.config.settings import DECLARED
from exporter.events import CATALOG, Selection
from tests.chart.rendering import (
    BACKEND,
    ENV,
    EXAMPLES,
    OWN,
    Rendered,
    enabled,
    example,
)
from tests.configured import only_backend

KEY = "whsec_" + "QUJD" * 8

# A right value for each setting whose default isn't one, or isn't a text.
SAMPLES = {
    "URL": "https://backend.example/batch?code=a%20b",
    "API_KEY": "made-up",
    "EVENTS": "user-task, step:completed[service-task]",
    "PROCESS_IDS": "order-*, !order-test",
    "TENANT_IDS": "a",
    "ELEMENT_IDS": "approve*",
    "DROP_FIELDS": "assignee, customHeaders.mail",
    "STATUS_OUTCOMES": "404=postponed,409=delivered",
    "INGEST_HOST": "::",
    "INGEST_USERNAME": "broker",
    "INGEST_PASSWORD": "made-up",
    "CLUSTER_ID": "cluster-1",
    "CAMUNDA_CLOUD_ORGANIZATION_ID": "organization",
    "ZEEBE_BROKER_CLUSTER_CLUSTERID": "cluster-2",
    "HEADERS": "X-Team: a, X-Env: prod",
    "SIGNING_SECRETS": KEY,
    "OAUTH_AUTHORIZATION_SERVER_URL": "https://login.example/token",
    "OAUTH_CLIENT_ID": "exporter",
    "OAUTH_CLIENT_SECRET": "made-up",
    "OAUTH_AUDIENCE": "events",
    "OAUTH_SCOPE": "write read",
    "OAUTH_RESOURCE": "urn:events",
}
SECRETS = {
    "URL": "backend",
    "API_KEY": "apiKey",
    "OAUTH_CLIENT_SECRET": "oauth",
    "SIGNING_SECRETS": "signing",
    "HEADERS": "headers",
    "INGEST_PASSWORD": "ingest",
}
PEM = {"TLS_CA_PATH": "ca", "TLS_CERT_PATH": "cert", "TLS_KEY_PATH": "key"}
DECIDED = {"ENABLED", "SPOOL_DIR"}
SEVERAL = {"BACKENDS"}

# What OAuth is refused without.
OAUTH = {
    f"APP_INTEGRATIONS_{name}": SAMPLES[name]
    for name in ("OAUTH_AUTHORIZATION_SERVER_URL", "OAUTH_CLIENT_ID")
}


def short(declared):
    """Return the name that people use, without our prefix."""
    return declared.variable.removeprefix("APP_INTEGRATIONS_")


def sample(declared):
    """Return a right value: a sample, or the default."""
    return SAMPLES.get(short(declared), declared.default) or 0


def inline(text):
    """Return what a secret is given as when it stands in the values."""
    return {"secret": {"inlineSecret": text}}


def loaded(variables):
    """Return the settings that the exporter reads of *variables*, by their names."""
    with mock.patch.dict(os.environ, variables, clear=True):
        read = settings.load()
    return vars(read) | vars(only_backend(read))


FREE = [
    each
    for each in DECLARED
    if short(each) not in SECRETS.keys() | PEM.keys() | DECIDED | SEVERAL
]


@pytest.mark.parametrize("mode", ["embedded", "sidecar", "service"])
def test_every_setting(mode):
    """`env` takes each setting by its name, and the exporter reads what was given."""
    given = {declared.variable: sample(declared) for declared in FREE}
    secrets = {"oauth": inline("made-up"), "ingest": inline("made-up")}

    variables = Rendered(enabled(mode) | secrets | {"env": given}).read(
        ENV if mode == "embedded" else OWN
    )

    read = loaded(variables)
    for declared in FREE:
        assert read[declared.name] == given[declared.variable], declared.variable


@pytest.mark.parametrize("mode", ["embedded", "sidecar", "service"])
@pytest.mark.parametrize("name", SECRETS)
def test_every_secret(name, mode):
    """A secret stands in a Secret alone, and the exporter reads it."""
    values = enabled(mode) | {SECRETS[name]: inline(SAMPLES[name])}
    if name == "OAUTH_CLIENT_SECRET":
        values["env"] = OAUTH

    rendered = Rendered(values)

    place = ENV if mode == "embedded" else OWN
    variable = f"APP_INTEGRATIONS_{name}"
    assert rendered.read(place)[variable] == SAMPLES[name]
    assert variable not in rendered.find("ConfigMap", place)["data"]
    assert SAMPLES[name] not in rendered.notes
    assert loaded(rendered.read(place))[name.lower()] == SAMPLES[name]


def test_secrets_out_of_files():
    """The end of a line, as `--set-file` brings it, is part of a PEM alone."""
    values = enabled("service", tls={"ca": inline("a\r\nb\r\n")})
    values |= {"apiKey": inline("key\n"), "ingest": inline("password\r\n")}

    rendered = Rendered(values)

    own = rendered.read(OWN)
    end = "APPINTSPOOL_ARGS_AUTHENTICATION_PASSWORD"
    assert own["APP_INTEGRATIONS_API_KEY"] == "key"
    assert own["APP_INTEGRATIONS_INGEST_PASSWORD"] == "password"
    assert rendered.read(ENV)[f"CAMUNDA_DATA_EXPORTERS_{end}"] == "password"
    assert rendered.read("app-integrations-exporter-files")["tls.ca"] == "a\r\nb\r\n"


ODD = [
    "\"'\\",
    "$(A) ${B} $C",
    "{{ .Values.enabled }}",
    "0012",
    "1e10",
    "8.10",
    "yes",
    "a: b #",
]


@pytest.mark.parametrize("secret", ODD)
def test_odd_secrets(secret):
    """A secret arrives as it is, whatever it means to YAML, Helm or a shell."""
    values = enabled("service", apiKey=inline(secret), tls={"ca": inline(secret)})

    rendered = Rendered(values)

    assert rendered.read(OWN)["APP_INTEGRATIONS_API_KEY"] == secret
    assert rendered.read("app-integrations-exporter-files")["tls.ca"] == secret


def test_the_table_is_whole():
    """These tests know a way to say each setting there is."""
    said = {short(each) for each in FREE} | SECRETS.keys() | PEM.keys()
    said |= DECIDED | SEVERAL

    assert said == {short(each) for each in DECLARED}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_name_settings(path):
    """Whatever the chart renders with our prefix is a setting, or names its file."""
    rendered = Rendered(example(path))
    known = {each.variable for each in DECLARED}
    known |= {f"{name}_FILE" for name in known}

    ours = [*rendered.read(ENV), *rendered.read(OWN)]
    assert {name for name in ours if name.startswith("APP_INTEGRATIONS_")} <= known


@pytest.mark.parametrize("number", [1048576, "1048576", 1048576.0])
def test_numbers(number):
    """A number reaches the exporter as it was written, however YAML holds it."""
    values = enabled(env={"APP_INTEGRATIONS_BATCH_MAX_BYTES": number})

    variables = Rendered(values).read(ENV)

    assert variables["APP_INTEGRATIONS_BATCH_MAX_BYTES"] == "1048576"


@pytest.mark.parametrize("nothing", ["", None, "{{ .Values.image.tag }}"])
def test_nothing(nothing):
    """A setting without a value is not set, and leaves to the chart what it decides."""
    names = ("BATCH_SIZE", "INGEST_HOST", "SPOOL_DIR", "ADMIN_PORT")
    env = {f"APP_INTEGRATIONS_{name}": nothing for name in names}

    without, rendered = (
        Rendered(enabled("service")),
        Rendered(enabled("service", env=env)),
    )

    assert rendered.objects == without.objects


@pytest.mark.parametrize("mode", ["embedded", "sidecar", "service"])
def test_more_variables(mode):
    """A text in extraEnv may be a template of ours, in every mode."""
    more = {
        "name": "WHERE",
        "value": "{{ .Values.camunda.release }}: {{ .Chart.Name }}",
    }

    rendered = Rendered(enabled(mode, extraEnv=[more]))

    told = {"name": "WHERE", "value": "camunda: app-integrations-exporter"}
    assert holder(rendered, mode).env[-1] == told


def test_templates():
    """A text in `env` may use what Helm knows of the release."""
    template = "{{ .Release.Namespace }}-{{ .Values.camunda.release }}"
    values = enabled(env={"APP_INTEGRATIONS_CLUSTER_ID": template})

    variables = Rendered(values, namespace="prod").read(ENV)

    assert variables["APP_INTEGRATIONS_CLUSTER_ID"] == "prod-camunda"


VERSIONS = ["8.5", "8.6.0", "8.7", "8.8", "8.8.21", "8.9", "8.10", "8.10.0-alpha5"]
URLS = {
    "sidecar": "http://127.0.0.1:9280",
    "service": "http://ingest-app-integrations:9280",
}


@pytest.mark.parametrize("mode", URLS)
@pytest.mark.parametrize("version", [*VERSIONS, "8.11", "9.0.0"])
def test_broker(mode, version):
    """Without our entrypoint a broker is told what the entrypoint would tell it."""
    values = enabled(mode, camunda={"version": version})
    values["ingest"] = inline("made-up")
    values["env"] = {"APP_INTEGRATIONS_BROKER_BULK_SIZE": 50}

    told = Rendered(values).read(ENV)

    told.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET", None)
    assert told == broker_environment(
        version, URLS[mode], bulk_size=50, username="broker", password="made-up"
    )


SELECTIONS = [
    "user-task",
    "step:completed[service-task,user-task], incident",
    "job:failed[process-*],timer",
    "message-subscription",
    "process:deployed , decision",
]


@pytest.mark.parametrize("version", ["8.5", "8.7", "8.8", "8.10"])
@pytest.mark.parametrize("events", [*SELECTIONS, *(each.name for each in CATALOG)])
def test_broker_sends_what_is_selected(events, version):
    """A broker is told to send what the selection is about, and nothing else."""
    events = events.replace("variable", "variable[a]")
    values = enabled("sidecar", camunda={"version": version})
    values["env"] = {"APP_INTEGRATIONS_EVENTS": events}

    told = Rendered(values).read(ENV)

    told.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET")
    value_types = Selection(events).value_types
    url = URLS["sidecar"]
    assert told == broker_environment(version, url, value_types=value_types)


@pytest.mark.parametrize("mode", ["embedded", "sidecar", "service"])
def test_physical_tenants(mode):
    """Every tenant's list names us, and every index prefix the tenant."""
    version = "8.10.9" if mode == "embedded" else "8.10"
    camunda = {"version": version, "physicalTenants": ["red"]}

    told = Rendered(enabled(mode, camunda=camunda)).read(ENV)

    expected = broker_environment(version, "http://a:1", physical_tenants=["red"])
    start = "CAMUNDA_PHYSICALTENANTS_"
    assert {name: told[name] for name in told if start in name} == {
        name: expected[name] for name in expected if start in name
    }


def test_several_backends():
    """Each has its settings under its name, and the broker sends what any selects."""
    values = enabled("sidecar", backend={})
    values["env"] = {
        "APP_INTEGRATIONS_BACKENDS": "teams, audit",
        "APP_INTEGRATIONS_BACKEND_TEAMS_URL": "https://teams.example",
        "APP_INTEGRATIONS_BACKEND_AUDIT_URL": "https://audit.example",
        "APP_INTEGRATIONS_BACKEND_AUDIT_EVENTS": "incident",
        "APP_INTEGRATIONS_BACKEND_AUDIT_BATCH_SIZE": 7,
    }
    rendered = Rendered(values)

    with mock.patch.dict(os.environ, rendered.read(OWN), clear=True):
        backends = settings.load().backends
    assert backends["teams"].url == "https://teams.example"
    assert backends["audit"].batch_size == 7
    told = rendered.read(ENV)
    for flag, wanted in {
        "USERTASK": "true",
        "INCIDENT": "true",
        "JOB": "false",
    }.items():
        name = f"CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_{flag}"
        assert told[name] == wanted


def test_what_nobody_selects():
    """The default is sent to nobody, nor what a backend that isn't listed selects."""
    values = enabled("service", backend={})
    values["env"] = {
        "APP_INTEGRATIONS_BACKENDS": " audit ",
        "APP_INTEGRATIONS_BACKEND_AUDIT_URL": "https://audit.example",
        "APP_INTEGRATIONS_BACKEND_AUDIT_EVENTS": "incident",
        "APP_INTEGRATIONS_BACKEND_OLD_EVENTS": "job",
    }

    told = Rendered(values).read(ENV)

    flags = ("USERTASK", "INCIDENT", "JOB")
    name = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_"
    assert [told[name + flag] for flag in flags] == ["false", "true", "false"]


def test_newest_version():
    """A version newer than all we know is told what the newest one is."""
    assert f"{NEWEST.major}.{NEWEST.minor}" == "8.10"  # as the templates say


def test_broker_without_password():
    """In a pod of its own nobody else reaches the ingest: no password is needed."""
    told = Rendered(enabled("sidecar")).read(ENV)

    restore = told.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET")
    assert restore == "lost+found,app-integrations"
    assert told == broker_environment("8.8", URLS["sidecar"])


def test_broker_with_an_existing_secret():
    """The broker puts in the password that its container has as a variable."""
    secret = {"existingSecret": "ingest", "existingSecretKey": "password"}
    rendered = Rendered(enabled("service") | {"ingest": {"secret": secret}})

    wiring = rendered.wiring["orchestration"]
    assert wiring["envFrom"][-1] == {
        "prefix": "APP_INTEGRATIONS_INGEST_",
        "secretRef": {"name": "ingest", "optional": True},
    }
    assert "env" not in wiring  # which would replace what the operator has there
    told = rendered.read(ENV)
    end = "APPINTSPOOL_ARGS_AUTHENTICATION_PASSWORD"
    variable = "${APP_INTEGRATIONS_INGEST_password}"
    assert told[f"CAMUNDA_DATA_EXPORTERS_{end}"] == variable


@pytest.mark.parametrize("mode", ["embedded", "sidecar", "service"])
def test_existing_secrets_are_files(mode):
    """Keys of any name become files that the settings name, in every mode."""
    secret = {"existingSecret": "mine", "existingSecretKey": "a key.txt"}
    tls = {name: {"secret": secret} for name in ("ca", "cert", "key")}
    given = {name: {"secret": secret} for name in ("apiKey", "signing", "headers")}
    given["ingest"] = {"secret": secret | {"existingSecretKey": "a_key"}}
    rendered = Rendered(enabled(mode) | given | {"tls": tls})

    found = holder(rendered, mode)
    (volume,) = [v for v in found.volumes if v["name"] == "app-integrations-secrets"]
    (mount,) = [m for m in found.mounts if m["name"] == volume["name"]]
    sources = [each["secret"] for each in volume["projected"]["sources"]]
    files = {f"{mount['mountPath']}/{s['items'][0]['path']}" for s in sources}
    variables = rendered.read(ENV if mode == "embedded" else OWN)
    named = {text for text in variables.values() if text.startswith("/etc/")}
    assert files == named
    assert len(files) == 7
    assert all(each["name"] == "mine" for each in sources)
    # What is missing keeps the exporter's own pod waiting, and no broker.
    assert {each["optional"] for each in sources} == {mode != "service"}


class Holder(NamedTuple):
    """What belongs to the container with the exporter."""

    volumes: list
    mounts: list
    env: list


def holder(rendered, mode):
    """Return what *rendered* gives the exporter, wherever it runs."""
    if mode == "service":
        pod = rendered.find("StatefulSet")["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        volumes = pod.get("volumes", [])
        return Holder(volumes, container["volumeMounts"], container.get("env"))
    orchestration = rendered.wiring["orchestration"]
    volumes = orchestration.get("extraVolumes", [])
    if mode == "sidecar":
        (container,) = orchestration["initContainers"]
        return Holder(volumes, container["volumeMounts"], container["env"])
    mounts = orchestration.get("extraVolumeMounts", [])
    return Holder(volumes, mounts, orchestration.get("env"))


def test_certificates_of_a_volume():
    """A bundle of authorities that lies in a ConfigMap is found by its path."""
    bundle = {"name": "bundle", "configMap": {"name": "authorities"}}
    values = enabled(
        env={"APP_INTEGRATIONS_TLS_CA_PATH": "/etc/bundle/ca.crt"},
        extraVolumes=[bundle],
        extraVolumeMounts=[{"name": "bundle", "mountPath": "/etc/bundle"}],
    )

    variables = Rendered(values).read(ENV)

    assert variables["APP_INTEGRATIONS_TLS_CA_PATH"] == "/etc/bundle/ca.crt"


SECRET = {"secretKeyRef": {"name": "client", "key": "id"}}


@pytest.mark.parametrize(
    "elsewhere",
    [
        {
            "extraEnv": [
                {"name": "APP_INTEGRATIONS_OAUTH_CLIENT_ID", "valueFrom": SECRET}
            ]
        },
        {"env": {"APP_INTEGRATIONS_OAUTH_CLIENT_ID_FILE": "/etc/client/id"}},
    ],
)
def test_client_in_a_secret(elsewhere):
    """The id of an OAuth client may be taken from a Secret, too."""
    server = "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL"
    env = elsewhere.get("env", {}) | {server: OAUTH[server]}

    Rendered(enabled(oauth=inline("made-up")) | elsewhere | {"env": env})


@pytest.mark.parametrize("mode", ["embedded", "sidecar", "service"])
def test_certificates_in_the_values(mode):
    """A certificate that stands in the values is a file as well."""
    values = enabled(mode, tls={"ca": inline("-----BEGIN\nabc\n")})
    rendered = Rendered(values)

    assert rendered.read("app-integrations-exporter-files") == {
        "tls.ca": "-----BEGIN\nabc\n"
    }
    variables = rendered.read(ENV if mode == "embedded" else OWN)
    assert variables["APP_INTEGRATIONS_TLS_CA_PATH"] == "/etc/app-integrations/tls.ca"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_switched_off(path):
    """Off, there is nothing to read but, for our entrypoint, that it is off."""
    values = example(path) | {"enabled": False}
    rendered = Rendered(values)

    embedded = values.get("mode", "embedded") == "embedded"
    off = {"APP_INTEGRATIONS_ENABLED": "false"} if embedded else {}
    assert rendered.read(ENV) == off
    assert len(rendered.objects) == 1 + len(off)


def test_an_official_exporter_is_switched_off():
    """What the entrypoint would take over starts nothing while the flag is off."""
    name = "ZEEBE_BROKER_EXPORTERS_APPINT_CLASSNAME"
    official = {name: OFFICIAL}

    assert is_wanted(official)
    assert not is_wanted(official | Rendered({}).read(ENV))
    assert is_wanted(official | Rendered(enabled()).read(ENV))


def test_backend_is_said_once():
    """The URL of the exporter is that of the values, templates and all."""
    values = enabled(backend={"url": "https://{{ .Release.Name }}.example/"})

    assert Rendered(values).read(ENV)["APP_INTEGRATIONS_URL"] == (
        "https://app-integrations.example/"
    )
    assert BACKEND["url"] == Rendered(enabled()).read(ENV)["APP_INTEGRATIONS_URL"]
