"""The brokers get the same variables from the chart as from the entrypoint."""

import pytest

from exporter.broker.environment import NEWEST, broker_environment
from exporter.events import CATALOG, Selection
from scripts.chart import MODES
from tests.chart.rendering import ENV, OWN, Rendered, enabled, inline

VERSIONS = ["8.5", "8.6.0", "8.7", "8.8", "8.8.21", "8.9", "8.10", "8.10.0-alpha5"]
URLS = {
    "sidecar": "http://127.0.0.1:9280",
    "service": "http://ingest-app-integrations:9280",
}
ARGS = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_"


@pytest.mark.parametrize("host", ["::", "::1"])
def test_sidecar_on_ipv6(host):
    """The broker sends to the address of IPv6 if no other one is served."""
    env = {"APP_INTEGRATIONS_INGEST_HOST": host}

    variables = Rendered(enabled("sidecar", env=env)).read(ENV)

    assert variables[f"{ARGS}URL"] == "http://[::1]:9280"


@pytest.mark.parametrize("mode", URLS)
@pytest.mark.parametrize("version", [*VERSIONS, "8.11", "9.0.0"])
def test_every_version(mode, version):
    """Every version gets its variables, and a newer one those of the newest."""
    values = enabled(mode, camunda={"version": version}, ingest=inline("made-up"))
    values["env"] = {"APP_INTEGRATIONS_BROKER_BULK_SIZE": 50}

    variables = Rendered(values).read(ENV)

    variables.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET", None)
    assert variables == broker_environment(
        version, URLS[mode], bulk_size=50, username="broker", password="made-up"
    )


def test_newest_version():
    """The newest known version is the one in the templates."""
    assert NEWEST == (8, 10)


SELECTIONS = [
    "user-task",
    "step:completed[service-task,user-task], incident",
    "job:failed[process-*],timer",
    "message-subscription",
    "process:deployed , decision",
]


@pytest.mark.parametrize("version", ["8.5", "8.7", "8.8", "8.10"])
@pytest.mark.parametrize("events", [*SELECTIONS, *(each.name for each in CATALOG)])
def test_selected_events(events, version):
    """A broker sends the records that the selection needs, and nothing else."""
    events = events.replace("variable", "variable[a]")
    values = enabled("sidecar", camunda={"version": version})
    values["env"] = {"APP_INTEGRATIONS_EVENTS": events}

    variables = Rendered(values).read(ENV)

    kept = variables.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET")
    assert kept == "lost+found,app-integrations"
    value_types = Selection(events).value_types
    expected = broker_environment(version, URLS["sidecar"], value_types=value_types)
    assert variables == expected


@pytest.mark.parametrize(
    "listed,selected",
    [("teams, audit", {"USERTASK", "INCIDENT"}), (" audit ", {"INCIDENT"})],
)
def test_several_backends(listed, selected):
    """The broker sends what any listed backend selects; each has its own settings."""
    values = enabled("sidecar", backend={})
    values["env"] = {
        "APP_INTEGRATIONS_BACKENDS": listed,
        "APP_INTEGRATIONS_BACKEND_TEAMS_URL": "https://teams.example",
        "APP_INTEGRATIONS_BACKEND_AUDIT_URL": "https://audit.example",
        "APP_INTEGRATIONS_BACKEND_AUDIT_EVENTS": "incident",
        "APP_INTEGRATIONS_BACKEND_AUDIT_BATCH_SIZE": 7,
        "APP_INTEGRATIONS_BACKEND_OLD_EVENTS": "job",
    }
    rendered = Rendered(values)

    assert rendered.read(OWN)["APP_INTEGRATIONS_BACKEND_AUDIT_BATCH_SIZE"] == "7"
    variables = rendered.read(ENV)
    for flag in ("USERTASK", "INCIDENT", "JOB"):
        assert (variables[f"{ARGS}INDEX_{flag}"] == "true") is (flag in selected)


@pytest.mark.parametrize("mode", MODES)
def test_physical_tenants(mode):
    """Every tenant's list has the exporter, and every index prefix has the tenant."""
    version = "8.10.9" if mode == "embedded" else "8.10"
    camunda = {"version": version, "physicalTenants": ["red"]}

    variables = Rendered(enabled(mode, camunda=camunda)).read(ENV)

    expected = broker_environment(version, "http://a:1", physical_tenants=["red"])
    start = "CAMUNDA_PHYSICALTENANTS_"
    assert {name: variables[name] for name in variables if start in name} == {
        name: expected[name] for name in expected if start in name
    }


@pytest.mark.parametrize("mode", URLS)
def test_spaces_around_values(mode):
    """The broker gets values without the spaces that the exporter ignores."""
    values = enabled(mode, ingest=inline(" made up\r\n"))
    values["env"] = {
        "APP_INTEGRATIONS_EVENTS": "incident\u00a0",
        "APP_INTEGRATIONS_INGEST_PORT": "9300\n",
        "APP_INTEGRATIONS_INGEST_USERNAME": " a ",
    }

    variables = Rendered(values).read(ENV)

    assert variables[f"{ARGS}INDEX_INCIDENT"] == "true"
    assert variables[f"{ARGS}URL"].endswith(":9300")
    assert variables[f"{ARGS}AUTHENTICATION_USERNAME"] == "a"
    assert variables[f"{ARGS}AUTHENTICATION_PASSWORD"] == "made up"


def test_an_existing_secret():
    """The broker inserts the password from a variable of its container."""
    secret = {"existingSecret": "ingest", "existingSecretKey": "password"}

    rendered = Rendered(enabled("service", ingest={"secret": secret}))

    wiring = rendered.wiring["orchestration"]
    assert wiring["envFrom"][-1] == {
        "prefix": "APP_INTEGRATIONS_INGEST_",
        "secretRef": {"name": "ingest", "optional": True},
    }
    assert "env" not in wiring  # which would replace the operator's own list
    password = rendered.read(ENV)[f"{ARGS}AUTHENTICATION_PASSWORD"]
    assert password == "${APP_INTEGRATIONS_INGEST_password}"
