"""Broker and exporter of one container get only their own variables."""

import os
from unittest import mock

import pytest

from devkit.arguments import exporters, tenants
from exporter.broker import takeover
from exporter.broker.takeover import OFFICIAL
from exporter.broker.wanted import is_wanted, why_off
from exporter.bundle import entrypoint, wiring
from exporter.bundle.distribution import find
from exporter.bundle.wiring import wire
from exporter.config.settings import SettingsError

URL = {"APP_INTEGRATIONS_URL": "https://backend.example/events"}
OFFICIAL_ONE = {
    "ZEEBE_BROKER_EXPORTERS_MINE_CLASSNAME": OFFICIAL,
    "ZEEBE_BROKER_EXPORTERS_MINE_ARGS_URL": "https://backend.example/old",
    "ZEEBE_BROKER_EXPORTERS_MINE_ARGS_MAXRETRIES": "2",
}


@pytest.fixture
def environ(tmp_path):
    """Return the environment of an image with a distribution of 8.6.0."""
    with mock.patch.dict(os.environ, clear=True):  # wiring replaces all of it
        yield {"PATH": "/bin", "ZB_HOME": str(distribution(tmp_path, "8.6.0"))}


def distribution(path, version):
    """Create the files in *path* that show the version of a distribution."""
    (path / "lib").mkdir()
    for name in ("zeebe-broker", "zeebe-broker-client"):
        (path / "lib" / f"{name}-{version}.jar").touch()
    return path


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
        (OFFICIAL_ONE | {"APP_INTEGRATIONS_ENABLED": "false"}, False),
        ({"APP_INTEGRATIONS_ENABLED": "true"}, True),
        ({"APP_INTEGRATIONS_ENABLED": "perhaps"}, True),
        ({"APP_INTEGRATIONS_REQUIRED": "true"}, True),
        ({"APP_INTEGRATIONS_REQUIRED": "True"}, True),
        ({"APP_INTEGRATIONS_REQUIRED": "false"}, False),
        ({"VALUES_EXPORTERS_APPINTEGRATIONS_APIKEY": "k"}, False),
    ],
)
def test_wanted(environ, wanted):
    """A backend switches the exporter on, unless ENABLED is set."""
    assert is_wanted(environ) is wanted
    assert bool(why_off(environ)) is not wanted


def test_each_is_told_its_part(environ):
    """The broker gets one exporter and none of our settings; its own stay."""
    other = {"ZEEBE_BROKER_EXPORTERS_ELASTICSEARCH_CLASSNAME": "io.camunda.Elastic"}
    wired = wire(environ | URL | other | {"APP_INTEGRATIONS_API_KEY": "secret"})

    prefix = "ZEEBE_BROKER_EXPORTERS_APPINTSPOOL"
    assert wired.broker[f"{prefix}_ARGS_URL"] == "http://127.0.0.1:9280"
    assert wired.broker.items() >= other.items()
    assert [name for name in wired.broker if name.startswith("APP_")] == []
    assert "secret" not in wired.broker.values()
    assert wired.exporter["APP_INTEGRATIONS_API_KEY"] == "secret"
    assert wired.notices == []


def test_spool_beside_the_data(environ):
    """The spool is on the broker's volume, and `restore` ignores it."""
    home = environ["ZB_HOME"]
    wired = wire(environ | URL)

    assert str(wired.settings.spool_dir) == f"{home}/data/app-integrations"
    assert wired.broker["ZEEBE_RESTORE_IGNOREFILESINTARGET"] == (
        "lost+found,app-integrations"
    )


def test_data_elsewhere(environ):
    """If the broker's data is elsewhere, the spool is there, too."""
    wired = wire(environ | URL | {"ZEEBE_BROKER_DATA_DIRECTORY": "/mnt/zeebe"})

    assert str(wired.settings.spool_dir) == "/mnt/zeebe/app-integrations"


def test_what_restore_ignores_already(environ):
    """`restore` goes on ignoring other names; a spool elsewhere adds no name."""
    told = {"ZEEBE_RESTORE_IGNOREFILESINTARGET": "mine"}
    beside = wire(environ | URL | told)
    elsewhere = wire(environ | URL | told | {"APP_INTEGRATIONS_SPOOL_DIR": "/spool"})

    name = "ZEEBE_RESTORE_IGNOREFILESINTARGET"
    assert beside.broker[name] == "mine,app-integrations"
    assert elsewhere.broker[name] == "mine"


@pytest.mark.parametrize(
    "version, form",
    [("8.7.26", "ZEEBE_BROKER_EXPORTERS_"), ("8.8.1", "CAMUNDA_DATA_EXPORTERS_")],
)
def test_form_of_the_version(tmp_path, environ, version, form):
    """The form of the variables follows from the distribution's files."""
    (tmp_path / "other").mkdir()
    home = {"CAMUNDA_HOME": str(distribution(tmp_path / "other", version))}
    wired = wire(environ | URL | home)

    ours = {name for name in wired.broker if "APPINTSPOOL" in name}
    assert f"{form}APPINTSPOOL_ARGS_URL" in ours
    assert all(name.startswith(form) for name in ours)


def test_settings_reach_the_broker(environ):
    """The broker gets our address, our password and its bulk size."""
    wired = wire(
        environ
        | URL
        | {
            "APP_INTEGRATIONS_INGEST_HOST": "0.0.0.0",  # noqa: S104 -- under test
            "APP_INTEGRATIONS_INGEST_PORT": "19280",
            "APP_INTEGRATIONS_INGEST_USERNAME": "broker",
            "APP_INTEGRATIONS_INGEST_PASSWORD": "secret",
            "APP_INTEGRATIONS_BROKER_BULK_SIZE": "50",
        }
    )

    arguments = {
        name.partition("_ARGS_")[2]: value for name, value in wired.broker.items()
    }
    assert arguments["URL"] == "http://127.0.0.1:19280"
    assert arguments["BULK_SIZE"] == "50"
    assert arguments["AUTHENTICATION_USERNAME"] == "broker"
    assert arguments["AUTHENTICATION_PASSWORD"] == "secret"


RED = "CAMUNDA_PHYSICALTENANTS_RED"
LIST = f"{RED}_DATA_EXPORTERSASSIGNED"
PREFIX = f"{RED}_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_PREFIX"
ELASTIC = {
    "CAMUNDA_DATA_EXPORTERS_ELASTIC_CLASSNAME": (
        "io.camunda.zeebe.exporter.ElasticsearchExporter"
    )
}


@pytest.fixture
def newest(tmp_path, environ):
    """Return the environment of an image with a distribution of 8.10.0."""
    (tmp_path / "new").mkdir()
    home = {"CAMUNDA_HOME": str(distribution(tmp_path / "new", "8.10.0"))}
    return environ | URL | home


@pytest.mark.parametrize(
    "told, default, red",
    [
        ({f"{RED}_NAME": "Red"}, ["appintspool"], ["appintspool"]),
        (ELASTIC | {LIST: ""}, ["appintspool", "elastic"], ["appintspool"]),
        (
            ELASTIC | {LIST: "elastic"},
            ["appintspool", "elastic"],
            ["appintspool", "elastic"],
        ),
        (
            ELASTIC | {f"{LIST}_0": "elastic", f"{LIST}_1": "appintspool"},
            ["appintspool", "elastic"],
            ["appintspool", "elastic"],
        ),
        (
            ELASTIC
            | {
                LIST: "elastic",
                "CAMUNDA_PHYSICALTENANTS_DEFAULT_DATA_EXPORTERSASSIGNED": "",
            },
            ["appintspool"],
            ["appintspool", "elastic"],
        ),
    ],
)
def test_physical_tenants(newest, told, default, red):
    """Each tenant exports to us, and to its exporters from before."""
    wired = wire(newest | told)

    found = {
        tenant: exporters(wired.broker, "8.10.0", tenant)
        for tenant in tenants(wired.broker, "8.10.0")
    }
    assert {name: list(each) for name, each in found.items()} == {
        "default": default,
        "red": red,
    }
    assert found["default"]["appintspool"].index_prefix == "zeebe-record"
    assert found["red"]["appintspool"].index_prefix == "zeebe-record-red"
    assert not found["red"]["appintspool"].index_optimizemodeenabled
    assert wired.tenants == ["default", "red"]
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
    assert wired.tenants == []


def test_official_exporter_of_tenants(newest):
    """An id that is kept stays in the lists, with our arguments in every tenant."""
    start = "CAMUNDA_DATA_EXPORTERS_MINE"
    own = f"{RED}_DATA_EXPORTERS_MINE_ARGS_URL"
    official = {f"{start}_CLASSNAME": OFFICIAL, f"{start}_ARGS_URL": "https://b/x"}
    wired = wire(newest | official | {LIST: "mine", own: "https://red/x"})

    (red,) = exporters(wired.broker, "8.10.0", "red").values()
    assert red.url == "http://127.0.0.1:9280"
    assert red.index_prefix == "zeebe-record-red"
    assert f"{own} has no effect: all tenants have one backend" in wired.notices


@pytest.mark.parametrize(
    "told, listed",
    [
        ({LIST: "elastic, appintspool"}, "elastic"),
        ({LIST: "mine"} | OFFICIAL_ONE, ""),
        ({f"{LIST}_0": "appintspool", f"{LIST}_1": "elastic"}, "elastic"),
        (
            {"CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_URL": "u", LIST: "appintspool"},
            "appintspool",
        ),
    ],
)
def test_lists_of_tenants_without_us(environ, told, listed):
    """A list names only exporters that are configured, or no broker would start."""
    alone = wiring.without_exporter(environ | told)

    assert {name: alone[name] for name in alone if LIST in name} == {LIST: listed}


def test_official_exporter_taken_over(environ):
    """The official id is kept; class and arguments are replaced, with notices."""
    wired = wire(environ | OFFICIAL_ONE)

    prefix = "ZEEBE_BROKER_EXPORTERS_MINE"
    assert wired.settings.backends["default"].url == "https://backend.example/old"
    assert wired.broker[f"{prefix}_CLASSNAME"].endswith(".ElasticsearchExporter")
    assert wired.broker[f"{prefix}_ARGS_URL"] == "http://127.0.0.1:9280"
    assert f"{prefix}_ARGS_MAXRETRIES" not in wired.broker
    assert [name for name in wired.broker if "APPINTSPOOL" in name] == []
    assert [name for name in wired.exporter if "EXPORTERS" in name] == []
    assert len(wired.notices) == 1


def test_our_exporter_by_hand(environ):
    """Variables of our exporter in the broker are replaced, with a notice."""
    name = "ZEEBE_BROKER_EXPORTERS_APPINTSPOOL_ARGS_RETENTION_ENABLED"
    wired = wire(environ | URL | {name: "true"})

    assert name not in wired.broker
    (notice,) = wired.notices
    assert notice.startswith(f"{name} has no effect")


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
    "wrong, said",
    [
        ({"APP_INTEGRATIONS_INGEST_PORT": "0"}, "INGEST_PORT is 0"),
        ({"ZB_HOME": "empty"}, "lib holds no zeebe-broker-<version>.jar"),
        ({"ZB_HOME": "old"}, "The broker is 8.4.3"),
        ({"ZB_HOME": "long" * 2000}, "no Camunda distribution"),
    ],
)
def test_what_no_broker_can_be_told(tmp_path, environ, wrong, said):
    """An unknown port and an unknown version of the broker are mistakes."""
    (tmp_path / "empty" / "lib").mkdir(parents=True)
    (tmp_path / "old").mkdir()
    distribution(tmp_path / "old", "8.4.3")
    wrong = {
        name: str(tmp_path / value) if name == "ZB_HOME" else value
        for name, value in wrong.items()
    }

    with pytest.raises(SettingsError, match=said):
        wire(environ | URL | wrong)


def test_broker_without_us(environ):
    """A broker that starts without the exporter gets none of its variables."""
    alone = wiring.without_exporter(
        environ | URL | OFFICIAL_ONE | {"JAVA_OPTS": "-Xmx1g"}
    )

    assert alone == environ | {"JAVA_OPTS": "-Xmx1g"}


def test_commands_understand_the_same(environ):
    """`status` and the other commands find the service of this image."""
    ours = wiring.with_our_settings(environ | OFFICIAL_ONE, find(environ))

    assert ours["APP_INTEGRATIONS_URL"] == "https://backend.example/old"
    assert ours["APP_INTEGRATIONS_SPOOL_DIR"] == (
        f"{environ['ZB_HOME']}/data/app-integrations"
    )


@pytest.mark.usefixtures("environ")
def test_id_in_the_broker():
    """`uninstall` and `check` use the official id if it is kept, or else ours."""
    ours = takeover.exporter_id()
    os.environ.update(OFFICIAL_ONE)

    assert (ours, takeover.exporter_id()) == ("appintspool", "mine")


def test_a_defect_of_ours(environ, monkeypatch, capfd):
    """A bug may stop the exporter, but not the broker."""
    monkeypatch.setattr(wiring.settings, "load", lambda: 1 / 0)
    monkeypatch.setattr(entrypoint, "_become", lambda command, _: command)
    os.environ.update(environ | URL)

    assert entrypoint.main(["broker"]) == ["broker"]
    said = capfd.readouterr().err
    assert "ZeroDivisionError" in said
    assert "The broker starts without the exporter" in said
