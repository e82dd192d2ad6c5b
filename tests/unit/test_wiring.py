"""Broker and exporter of one container get only their own variables."""

import json
import os
from pathlib import Path
from unittest import mock

import pytest

from devkit.arguments import exporters, tenants
from exporter.broker import takeover
from exporter.broker.takeover import OFFICIAL
from exporter.broker.wanted import why_off
from exporter.bundle import entrypoint, wiring
from exporter.bundle.distribution import find
from exporter.bundle.wiring import wire
from exporter.config.settings import SettingsError

URL = {"APP_INTEGRATIONS_URL": "https://backend.example/events"}
MINE = "ZEEBE_BROKER_EXPORTERS_MINE"
OFFICIAL_ONE = {
    f"{MINE}_CLASSNAME": OFFICIAL,
    f"{MINE}_ARGS_URL": "https://backend.example/old",
    f"{MINE}_ARGS_MAXRETRIES": "2",
}
DATA = "ZEEBE_BROKER_DATA_DIRECTORY"
RESTORE = "ZEEBE_RESTORE_IGNOREFILESINTARGET"


@pytest.fixture
def distribution(tmp_path):
    """Return a function that makes a distribution of a version, and its variable."""

    def make(version, variable="CAMUNDA_HOME"):
        path = tmp_path / version
        (path / "lib").mkdir(parents=True)
        for name in ("zeebe-broker", "zeebe-broker-client"):
            (path / "lib" / f"{name}-{version}.jar").touch()
        return {variable: str(path)}

    return make


@pytest.fixture
def environ(distribution):
    """Return the environment of an image with a distribution of 8.6.0."""
    with mock.patch.dict(os.environ, clear=True):  # wiring replaces all of it
        yield {"PATH": "/bin"} | distribution("8.6.0", "ZB_HOME")


@pytest.mark.parametrize(
    "environ, wanted",
    [
        ({}, False),
        ({"APP_INTEGRATIONS_API_KEY": "k"}, False),
        (URL, True),
        ({"APP_INTEGRATIONS_URL_FILE": "/x"}, True),
        (OFFICIAL_ONE, True),
        (URL | {"APP_INTEGRATIONS_ENABLED": "auto"}, True),
        (URL | {"APP_INTEGRATIONS_ENABLED": "false"}, False),
        ({"APP_INTEGRATIONS_ENABLED": "true"}, True),
        ({"APP_INTEGRATIONS_ENABLED": "perhaps"}, True),
        ({"APP_INTEGRATIONS_REQUIRED": "True"}, True),
        ({"APP_INTEGRATIONS_REQUIRED": "false"}, False),
        ({"VALUES_EXPORTERS_APPINTEGRATIONS_APIKEY": "k"}, False),
    ],
)
def test_why_off(environ, wanted):
    """A backend switches the exporter on, unless ENABLED is set."""
    assert (why_off(environ) == "") is wanted


def test_the_part_of_each(environ):
    """The broker gets one exporter and none of our settings; its own stay."""
    other = {"ZEEBE_BROKER_EXPORTERS_ELASTICSEARCH_CLASSNAME": "io.camunda.Elastic"}
    wired = wire(
        environ
        | URL
        | other
        | {
            "APP_INTEGRATIONS_API_KEY": "secret",
            "APP_INTEGRATIONS_INGEST_HOST": "0.0.0.0",  # noqa: S104 -- under test
            "APP_INTEGRATIONS_INGEST_PORT": "19280",
            "APP_INTEGRATIONS_INGEST_USERNAME": "broker",
            "APP_INTEGRATIONS_INGEST_PASSWORD": "hunter2",
            "APP_INTEGRATIONS_BROKER_BULK_SIZE": "50",
        }
    )

    prefix = "ZEEBE_BROKER_EXPORTERS_APPINTSPOOL_ARGS"
    arguments = {
        f"{prefix}_URL": "http://127.0.0.1:19280",
        f"{prefix}_BULK_SIZE": "50",
        f"{prefix}_AUTHENTICATION_USERNAME": "broker",
        f"{prefix}_AUTHENTICATION_PASSWORD": "hunter2",
    }
    assert wired.broker.items() >= (other | arguments).items()
    assert [name for name in wired.broker if name.startswith("APP_")] == []
    assert "secret" not in wired.broker.values()
    assert wired.exporter["APP_INTEGRATIONS_API_KEY"] == "secret"
    assert wired.notices == []


@pytest.mark.parametrize(
    "more, spool, ignored",
    [
        ({}, "{}/data/app-integrations", "lost+found,app-integrations"),
        ({DATA: "/mnt"}, "/mnt/app-integrations", "lost+found,app-integrations"),
        ({RESTORE: "a"}, "{}/data/app-integrations", "a,app-integrations"),
        ({RESTORE: "a", "APP_INTEGRATIONS_SPOOL_DIR": "/spool"}, "/spool", "a"),
    ],
)
def test_spool(environ, more, spool, ignored):
    """The spool is on the broker's volume by default, and `restore` ignores it."""
    wired = wire(environ | URL | more)

    assert str(wired.settings.spool_dir) == spool.format(environ["ZB_HOME"])
    assert wired.broker[RESTORE] == ignored


@pytest.mark.parametrize("there, command", [("broker", "broker"), ("x", "camunda")])
def test_default_command(environ, there, command):
    """Without its start script, an image starts the program that it has."""
    programs = Path(environ["ZB_HOME"]) / "bin"
    programs.mkdir()
    (programs / there).touch()

    assert find(environ).command == [str(programs / command)]


RED = "CAMUNDA_PHYSICALTENANTS_RED"
LIST = f"{RED}_DATA_EXPORTERSASSIGNED"
LIST_OF_DEFAULT = "CAMUNDA_PHYSICALTENANTS_DEFAULT_DATA_EXPORTERSASSIGNED"
PREFIX = f"{RED}_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_PREFIX"
CLASS = "io.camunda.zeebe.exporter.ElasticsearchExporter"
ELASTIC = {"CAMUNDA_DATA_EXPORTERS_ELASTIC_CLASSNAME": CLASS}
US, BOTH = ["appintspool"], ["appintspool", "elastic"]


@pytest.fixture
def newest(environ, distribution):
    """Return the environment of an image with a distribution of 8.10.0."""
    return environ | URL | distribution("8.10.0")


@pytest.mark.parametrize(
    "given, default, red",
    [
        ({f"{RED}_NAME": "Red"}, US, US),
        (ELASTIC | {LIST: ""}, BOTH, US),
        (ELASTIC | {LIST: "elastic"}, BOTH, BOTH),
        (ELASTIC | {f"{LIST}_0": "elastic", f"{LIST}_1": "appintspool"}, BOTH, BOTH),
        (ELASTIC | {LIST: "elastic", LIST_OF_DEFAULT: ""}, US, BOTH),
    ],
)
def test_physical_tenants(newest, given, default, red):
    """Each tenant exports to us, and to its exporters from before."""
    wired = wire(newest | given)

    found = {
        tenant: exporters(wired.broker, "8.10.0", tenant)
        for tenant in tenants(wired.broker, "8.10.0")
    }
    listed = {name: list(each) for name, each in found.items()}
    assert listed == {"default": default, "red": red}
    assert found["default"]["appintspool"].index_prefix == "zeebe-record"
    assert found["red"]["appintspool"].index_prefix == "zeebe-record-red"
    assert not found["red"]["appintspool"].index_optimizemodeenabled
    assert wired.notices == []


def test_prefix_of_a_tenant_with_a_dash(newest):
    """A variable can't spell a dash in an id, so a prefix that is set stays."""
    wired = wire(newest | {PREFIX: "zeebe-record-r-ed"})

    assert wired.broker[PREFIX] == "zeebe-record-r-ed"
    assert wired.notices == []


def test_physical_tenants_of_an_older_broker(environ):
    """Before 8.10 the variables of tenants stay as they are."""
    wired = wire(environ | URL | {f"{RED}_NAME": "Red"})

    assert [name for name in wired.broker if RED in name] == [f"{RED}_NAME"]


def test_official_exporter_of_tenants(newest):
    """An id that is kept stays in the lists, with our arguments in every tenant."""
    own = f"{RED}_DATA_EXPORTERS_MINE_ARGS_URL"
    wired = wire(newest | OFFICIAL_ONE | {LIST: "mine", own: "https://red/x"})

    (red,) = exporters(wired.broker, "8.10.0", "red").values()
    assert red.url == "http://127.0.0.1:9280"
    assert red.index_prefix == "zeebe-record-red"
    assert f"{own} has no effect: all tenants have one backend" in wired.notices


@pytest.mark.parametrize(
    "given, listed",
    [
        ({LIST: "elastic, appintspool"}, "elastic"),
        ({LIST: "mine"} | OFFICIAL_ONE, ""),
        ({f"{LIST}_0": "appintspool", f"{LIST}_1": "elastic"}, "elastic"),
        ({LIST: "es , other"}, "es , other"),
        (
            {"CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_URL": "u", LIST: "appintspool"},
            "appintspool",
        ),
    ],
)
def test_lists_of_tenants_without_us(environ, given, listed):
    """A list names only exporters that are configured, or no broker would start."""
    alone = wiring.without_exporter(environ | given)

    assert {name: alone[name] for name in alone if LIST in name} == {LIST: listed}


def test_broker_without_us(environ):
    """A broker that starts without the exporter gets none of its variables."""
    others = environ | {"JAVA_OPTS": "-Xmx1g"}

    assert wiring.without_exporter(others | URL | OFFICIAL_ONE) == others


def test_official_exporter_taken_over(environ):
    """The official id is kept; class and arguments are replaced, with notices."""
    by_hand = f"{MINE}_ARGS_RETENTION_ENABLED"
    wired = wire(environ | OFFICIAL_ONE | {by_hand: "true"})

    assert wired.settings.backends["default"].url == "https://backend.example/old"
    assert wired.broker[f"{MINE}_CLASSNAME"] == CLASS
    assert wired.broker[f"{MINE}_ARGS_URL"] == "http://127.0.0.1:9280"
    gone = {f"{MINE}_ARGS_MAXRETRIES", by_hand}
    assert wired.broker.keys().isdisjoint(gone)
    assert [name for name in wired.broker if "APPINTSPOOL" in name] == []
    assert [name for name in wired.exporter if "EXPORTERS" in name] == []
    assert {each.partition(" has no effect")[0] for each in wired.notices} == gone


def test_every_mistake_at_once(environ):
    """One error lists the mistakes in the image, the takeover and the settings."""
    second = {"CAMUNDA_DATA_EXPORTERS_OTHER_CLASSNAME": OFFICIAL}
    wrong = {
        "ZB_HOME": "/nowhere",
        "APP_INTEGRATIONS_BATCH_SIZE": "many",
        "APP_INTEGRATIONS_ENABLED": "perhaps",
    }

    with pytest.raises(SettingsError) as raised:
        wire(environ | OFFICIAL_ONE | second | wrong)

    text = str(raised.value)
    assert "no Camunda distribution in /usr/local/camunda or /usr/local/zeebe" in text
    assert "MINE and OTHER are both" in text
    assert "APP_INTEGRATIONS_BATCH_SIZE is 'many'" in text
    assert "APP_INTEGRATIONS_ENABLED is 'perhaps'" in text


@pytest.mark.parametrize(
    "version, wrong, said",
    [
        ("8.4.3", {}, "The broker is 8.4.3"),
        ("none", {"ZB_HOME": "a"}, "no Camunda distribution"),
        ("8.6.1", {"APP_INTEGRATIONS_INGEST_PORT": "0"}, "INGEST_PORT is 0"),
        ("8.6.1", OFFICIAL_ONE | {f"{MINE}2_CLASSNAME": OFFICIAL}, "are both"),
        ("8.6.1", {"CAMUNDA_HOME": "a" * 9999, "ZB_HOME": "a"}, "no Camunda distribu"),
    ],
)
def test_what_no_broker_can_use(environ, distribution, version, wrong, said):
    """A wrong distribution, an unknown port and a second exporter are mistakes."""
    with pytest.raises(SettingsError, match=said):
        wire(environ | URL | distribution(version) | wrong)


def test_other_commands(environ, capsys):
    """The other commands find the service and the id of this image."""
    os.environ.update(environ | OFFICIAL_ONE)
    assert entrypoint.exporter(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert takeover.exporter_id() == "mine"
    os.environ[f"{MINE}2_CLASSNAME"] = OFFICIAL

    assert shown["APP_INTEGRATIONS_URL"] == "https://backend.example/old"
    spool = f"{environ['ZB_HOME']}/data/app-integrations"
    assert shown["APP_INTEGRATIONS_SPOOL_DIR"] == spool
    assert entrypoint.exporter(["config"]) == 2
    assert "MINE and MINE2 are both" in capsys.readouterr().err


def test_a_bug_of_ours(environ, monkeypatch, capfd):
    """A bug may stop the exporter, but not the broker."""
    monkeypatch.setattr(wiring.settings, "load", lambda: 1 / 0)
    monkeypatch.setattr(entrypoint, "_become", lambda command, _: command)
    os.environ.update(environ | URL)

    assert entrypoint.main(["broker"]) == ["broker"]
    said = capfd.readouterr().err
    assert "ZeroDivisionError" in said
    assert "The broker starts without the exporter" in said
