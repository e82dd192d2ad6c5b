"""The exporter and the broker understand what the chart renders."""

import os
from typing import NamedTuple
from unittest import mock

import pytest

from exporter.broker.environment import NEWEST, broker_environment
from exporter.broker.takeover import OFFICIAL
from exporter.broker.wanted import why_off
from exporter.config import settings
from exporter.config.settings import DECLARED
from exporter.events import CATALOG, Selection
from scripts.chart import MODES
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

# A value for each setting whose default is empty or can't be used.
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
    "ADMIN_HOST": "::",
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

# OAuth needs these, too.
OAUTH = {
    f"APP_INTEGRATIONS_{name}": SAMPLES[name]
    for name in ("OAUTH_AUTHORIZATION_SERVER_URL", "OAUTH_CLIENT_ID")
}


def short(declared):
    """Return the variable without the prefix."""
    return declared.variable.removeprefix("APP_INTEGRATIONS_")


def sample(declared):
    """Return a value that can be used: a sample, or the default."""
    return SAMPLES.get(short(declared), declared.default) or 0


def inline(text):
    """Return the values of a secret with *text*."""
    return {"secret": {"inlineSecret": text}}


def loaded(variables):
    """Return the exporter's settings from *variables*, by name."""
    with mock.patch.dict(os.environ, variables, clear=True):
        read = settings.load()
    return vars(read) | vars(only_backend(read))


FREE = [
    each
    for each in DECLARED
    if short(each) not in SECRETS.keys() | PEM.keys() | DECIDED | SEVERAL
]


@pytest.mark.parametrize("mode", MODES)
def test_every_setting(mode):
    """`env` takes each setting by its name, and the exporter reads its value."""
    given = {each.variable: sample(each) for each in FREE}
    secrets = {"oauth": inline("made-up"), "ingest": inline("made-up")}
    values = enabled(mode) | secrets | {"env": given}

    variables = Rendered(values).read(ENV if mode == "embedded" else OWN)

    read = loaded(variables)
    assert {each.variable: read[each.name] for each in FREE} == given


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SECRETS)
def test_every_secret(name, mode):
    """A secret is in a Secret only, and the exporter reads it."""
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
    """A line end from `--set-file` is kept in PEM files, and removed elsewhere."""
    values = enabled("service", tls={"ca": inline("a\r\nb\r\n")})
    values |= {"apiKey": inline("key\n"), "ingest": inline("password\r\n")}

    rendered = Rendered(values)

    own = rendered.read(OWN)
    end = "APPINTSPOOL_ARGS_AUTHENTICATION_PASSWORD"
    assert own["APP_INTEGRATIONS_API_KEY"] == "key"
    assert own["APP_INTEGRATIONS_INGEST_PASSWORD"] == "password"
    assert rendered.read(ENV)[f"CAMUNDA_DATA_EXPORTERS_{end}"] == "password"
    assert rendered.read("app-integrations-exporter-files")["tls.ca"] == "a\r\nb\r\n"


@pytest.mark.parametrize("mode", ["sidecar", "service"])
def test_spaces_around_values(mode):
    """The broker gets values without the spaces that the exporter ignores."""
    env = {
        "EVENTS": "incident\u00a0",
        "INGEST_PORT": "9300\n",
        "INGEST_USERNAME": " a ",
    }
    values = enabled(mode, ingest=inline(" made up "))
    values["env"] = {f"APP_INTEGRATIONS_{name}": env[name] for name in env}

    variables = Rendered(values).read(ENV)

    start = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_"
    assert variables[f"{start}INDEX_INCIDENT"] == "true"
    assert variables[f"{start}URL"].endswith(":9300")
    assert variables[f"{start}AUTHENTICATION_USERNAME"] == "a"
    assert variables[f"{start}AUTHENTICATION_PASSWORD"] == "made up"


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
    """A secret arrives unchanged, whatever it means to YAML, Helm or a shell."""
    values = enabled("service", apiKey=inline(secret), tls={"ca": inline(secret)})

    rendered = Rendered(values)

    assert rendered.read(OWN)["APP_INTEGRATIONS_API_KEY"] == secret
    assert rendered.read("app-integrations-exporter-files")["tls.ca"] == secret


def test_the_table_is_whole():
    """These tests cover every setting."""
    said = {short(each) for each in FREE} | SECRETS.keys() | PEM.keys()
    said |= DECIDED | SEVERAL

    assert said == {short(each) for each in DECLARED}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_name_settings(path):
    """Every rendered variable with the prefix is a setting, or the file of one."""
    rendered = Rendered(example(path))
    known = {each.variable for each in DECLARED}
    known |= {f"{name}_FILE" for name in known}

    ours = [*rendered.read(ENV), *rendered.read(OWN)]
    assert {name for name in ours if name.startswith("APP_INTEGRATIONS_")} <= known


@pytest.mark.parametrize("number", [1048576, "1048576", 1048576.0])
def test_numbers(number):
    """A number reaches the exporter unchanged, in any form of YAML."""
    values = enabled(env={"APP_INTEGRATIONS_BATCH_MAX_BYTES": number})

    variables = Rendered(values).read(ENV)

    assert variables["APP_INTEGRATIONS_BATCH_MAX_BYTES"] == "1048576"


@pytest.mark.parametrize("nothing", ["", None, "{{ .Values.image.tag }}"])
def test_nothing(nothing):
    """An empty setting isn't set, so the chart's own value remains."""
    names = ("BATCH_SIZE", "INGEST_HOST", "SPOOL_DIR", "ADMIN_PORT")
    env = {f"APP_INTEGRATIONS_{name}": nothing for name in names}

    without, rendered = (
        Rendered(enabled("service")),
        Rendered(enabled("service", env=env)),
    )

    assert rendered.objects == without.objects


@pytest.mark.parametrize("mode", MODES)
def test_more_variables(mode):
    """A text in extraEnv can be a template, in every mode."""
    more = {
        "name": "WHERE",
        "value": "{{ .Values.camunda.release }}: {{ .Chart.Name }}",
    }

    rendered = Rendered(enabled(mode, extraEnv=[more]))

    told = {"name": "WHERE", "value": "camunda: app-integrations-exporter"}
    assert holder(rendered, mode).env[-1] == told


def test_templates():
    """A text in `env` can be a template."""
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
    """A broker's variables are the same as those from the entrypoint."""
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
    """A broker sends what the selection needs, and nothing else."""
    events = events.replace("variable", "variable[a]")
    values = enabled("sidecar", camunda={"version": version})
    values["env"] = {"APP_INTEGRATIONS_EVENTS": events}

    told = Rendered(values).read(ENV)

    told.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET")
    value_types = Selection(events).value_types
    url = URLS["sidecar"]
    assert told == broker_environment(version, url, value_types=value_types)


@pytest.mark.parametrize("mode", MODES)
def test_physical_tenants(mode):
    """Every tenant's list has the exporter, and every index prefix has the tenant."""
    version = "8.10.9" if mode == "embedded" else "8.10"
    camunda = {"version": version, "physicalTenants": ["red"]}

    told = Rendered(enabled(mode, camunda=camunda)).read(ENV)

    expected = broker_environment(version, "http://a:1", physical_tenants=["red"])
    start = "CAMUNDA_PHYSICALTENANTS_"
    assert {name: told[name] for name in told if start in name} == {
        name: expected[name] for name in expected if start in name
    }


def test_several_backends():
    """Each backend has its own settings; the broker sends what any of them selects."""
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
    """The broker doesn't send the default, or what an unlisted backend selects."""
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
    """The newest known version is the one that the templates name."""
    assert NEWEST == (8, 10)  # as the templates say


def test_broker_without_password():
    """Mode sidecar needs no password, because only the pod reaches the ingest."""
    told = Rendered(enabled("sidecar")).read(ENV)

    restore = told.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET")
    assert restore == "lost+found,app-integrations"
    assert told == broker_environment("8.8", URLS["sidecar"])


def test_broker_with_an_existing_secret():
    """The broker inserts the password from a variable of its container."""
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


@pytest.mark.parametrize("mode", MODES)
def test_existing_secrets_are_files(mode):
    """Secrets with keys of any name become files, in every mode."""
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
    # A missing Secret delays the exporter's own pod, but never a broker.
    assert {each["optional"] for each in sources} == {mode != "service"}


class Holder(NamedTuple):
    """Volumes, mounts and variables of the container with the exporter."""

    volumes: list
    mounts: list
    env: list


def holder(rendered, mode):
    """Return the volumes, mounts and variables of the exporter's container."""
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
    """A bundle of CA certificates can come from a ConfigMap."""
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
    """The id of an OAuth client can come from a Secret or a file."""
    server = "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL"
    env = elsewhere.get("env", {}) | {server: OAUTH[server]}

    Rendered(enabled(oauth=inline("made-up")) | elsewhere | {"env": env})


@pytest.mark.parametrize("mode", MODES)
def test_certificates_in_the_values(mode):
    """A certificate in the values becomes a file, too."""
    values = enabled(mode, tls={"ca": inline("-----BEGIN\nabc\n")})
    rendered = Rendered(values)

    assert rendered.read("app-integrations-exporter-files") == {
        "tls.ca": "-----BEGIN\nabc\n"
    }
    variables = rendered.read(ENV if mode == "embedded" else OWN)
    assert variables["APP_INTEGRATIONS_TLS_CA_PATH"] == "/etc/app-integrations/tls.ca"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_switched_off(path):
    """With the flag off, the only variable switches the entrypoint off."""
    values = example(path) | {"enabled": False}
    rendered = Rendered(values)

    embedded = values.get("mode", "embedded") == "embedded"
    off = {"APP_INTEGRATIONS_ENABLED": "false"} if embedded else {}
    assert rendered.read(ENV) == off
    assert len(rendered.objects) == 1 + len(off)


def test_an_official_exporter_is_switched_off():
    """With the flag off, the entrypoint doesn't take over an official exporter."""
    name = "ZEEBE_BROKER_EXPORTERS_APPINT_CLASSNAME"
    official = {name: OFFICIAL}

    assert not why_off(official)
    assert why_off(official | Rendered({}).read(ENV))
    assert not why_off(official | Rendered(enabled()).read(ENV))


def test_the_url_is_a_template():
    """The URL in the values can be a template."""
    values = enabled(backend={"url": "https://{{ .Release.Name }}.example/"})

    assert Rendered(values).read(ENV)["APP_INTEGRATIONS_URL"] == (
        "https://app-integrations.example/"
    )
    assert BACKEND["url"] == Rendered(enabled()).read(ENV)["APP_INTEGRATIONS_URL"]
