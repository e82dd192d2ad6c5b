"""A broker of any version exports user tasks to us, and nothing else."""

import re
from pathlib import Path

import pytest
import yaml

from devkit.arguments import exporters, tenants
from exporter.base.errors import ConfigError
from exporter.broker.environment import broker_environment

URL = "http://127.0.0.1:9280"
INSTALL = Path(__file__).parents[2] / "docs" / "install"

SEVEN = {
    "DEPLOYMENT",
    "PROCESS",
    "INCIDENT",
    "VARIABLE",
    "PROCESSINSTANCE",
    "USERTASK",
    "JOB",
}


def flags_of(version):
    """Return the value types set for a broker of *version*: name to "true"/"false"."""
    return {
        name.split("_INDEX_")[1]: value
        for name, value in broker_environment(version, URL).items()
        if "_INDEX_" in name and not name.endswith("CREATETEMPLATE")
    }


def test_unified_form_whole():
    """From 8.8 on these are all variables; 8.10 would refuse one more."""
    assert broker_environment("8.8.0", URL) == {
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_CLASSNAME": (
            "io.camunda.zeebe.exporter.ElasticsearchExporter"
        ),
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_URL": "http://127.0.0.1:9280",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_BULK_SIZE": "1",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_BULK_DELAY": "1",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_CREATETEMPLATE": "false",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_DEPLOYMENT": "false",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_PROCESS": "false",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_INCIDENT": "false",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_VARIABLE": "false",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_PROCESSINSTANCE": "false",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_USERTASK": "true",
        "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_JOB": "false",
    }


@pytest.mark.parametrize(
    "version, prefix",
    [
        ("8.5.0", "ZEEBE_BROKER_EXPORTERS_"),
        ("8.6.0", "ZEEBE_BROKER_EXPORTERS_"),
        ("8.6", "ZEEBE_BROKER_EXPORTERS_"),
        ("8.7.26", "ZEEBE_BROKER_EXPORTERS_"),
        ("8.8.0-alpha1", "CAMUNDA_DATA_EXPORTERS_"),
        ("8.8.21", "CAMUNDA_DATA_EXPORTERS_"),
        ("8.9.0-rc2", "CAMUNDA_DATA_EXPORTERS_"),
        ("8.10.0-alpha5", "CAMUNDA_DATA_EXPORTERS_"),
        ("8.11.0", "CAMUNDA_DATA_EXPORTERS_"),
        ("9.0.0", "CAMUNDA_DATA_EXPORTERS_"),
        ("SNAPSHOT", "CAMUNDA_DATA_EXPORTERS_"),
    ],
)
def test_form_follows_version(version, prefix):
    """Each version gets one of the two forms, never a mixture."""
    names = broker_environment(version, URL)

    assert {name.startswith(prefix) for name in names} == {True}


@pytest.mark.parametrize(
    "version", ["8.5.8", "8.6.0", "8.7.0", "8.8.21", "8.10.0-alpha5", "SNAPSHOT"]
)
def test_only_user_tasks_are_on(version):
    """Only user tasks are selected, in every version."""
    on = {name for name, value in flags_of(version).items() if value != "false"}

    assert on == {"USERTASK"}


@pytest.mark.parametrize("version", ["8.8.0", "8.9.0", "8.10.0", "8.11.0", "SNAPSHOT"])
def test_flags_that_every_version_knows(version):
    """From 8.8 on, only the seven flags that exist in every version are set."""
    assert set(flags_of(version)) - {"OPTIMIZEMODEENABLED"} == SEVEN


@pytest.mark.parametrize(
    "version, mode",
    [("8.8.21", None), ("8.9.0", "false"), ("8.10.9", "false"), ("SNAPSHOT", "false")],
)
def test_optimize_mode(version, mode):
    """Optimize mode is off in every version, because it drops CREATED."""
    assert flags_of(version).get("OPTIMIZEMODEENABLED") == mode


@pytest.mark.parametrize("page", ["migrating.md", "bare-broker.md"])
def test_yaml_of_the_pages(page):
    """The YAML in the docs means the same as the variables of 8.10."""
    text = (INSTALL / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(\S+exporters\..*?)```", text, re.DOTALL)
    ((exporter,),) = [yaml.safe_load(block).values()]
    flat = dict(flattened(exporter["args"]))

    told = broker_environment("8.10.0", flat.pop("URL"))

    start = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_"
    arguments = {k.removeprefix(start): v for k, v in told.items() if start in k}
    del arguments["URL"]
    assert flat | arguments == flat
    assert flat.keys() - arguments.keys() <= {
        "AUTHENTICATION_USERNAME",
        "AUTHENTICATION_PASSWORD",
    }


def flattened(tree, start=""):
    """Yield each value of *tree* with the name of its variable."""
    for name, value in tree.items():
        path = f"{start}{name.upper()}"
        if isinstance(value, dict):
            yield from flattened(value, f"{path}_")
        else:
            yield path, str(value).lower() if isinstance(value, bool) else str(value)


def test_flags_of_the_older_brokers():
    """Up to 8.7 every flag that is on by default is switched off."""
    assert len(flags_of("8.5.8")) == 28
    assert set(flags_of("8.6.0")) - set(flags_of("8.5.8")) == {
        "MESSAGECORRELATION",
        "USER",
        "AUTHORIZATION",
    }
    assert flags_of("8.7.0") == flags_of("8.6.0")


def test_bulk_size_and_credentials():
    """The arguments arrive in the broker's exporter."""
    names = broker_environment(
        "8.6.0",
        "https://[::1]:9280",
        bulk_size=100,
        username="broker",
        password="s3cret",
        exporter_id="appint2",
    )

    prefix = "ZEEBE_BROKER_EXPORTERS_APPINT2_ARGS_"
    assert names[f"{prefix}URL"] == "https://[::1]:9280"
    assert names[f"{prefix}BULK_SIZE"] == "100"
    assert names[f"{prefix}AUTHENTICATION_USERNAME"] == "broker"
    assert names[f"{prefix}AUTHENTICATION_PASSWORD"] == "s3cret"


@pytest.mark.parametrize(
    "version", ["8.4.12", "8.4", "7.21.0", "", "8", "latest", "v8.6.0", "8.6.0 "]
)
def test_version_we_cannot_serve(version):
    """A wrong or old version is refused, with an example of a right version."""
    with pytest.raises(ConfigError, match=r"8\.5|8\.6\.0"):
        broker_environment(version, URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9280/",
        "http://127.0.0.1:9280/_bulk",
        "http://127.0.0.1:9280?x=1",
        "http://me:pass@127.0.0.1:9280",
        "http://one:9280,http://two:9280",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "127.0.0.1:9280",
        "ftp://127.0.0.1:9280",
        "http://:9280",
        "",
    ],
)
def test_url_that_would_stop_the_export_silently(url):
    """URLs with which a healthy broker would export nothing are refused."""
    with pytest.raises(ConfigError, match=r"a URL like http://127\.0\.0\.1:9280"):
        broker_environment("8.6.0", url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "broker"},
        {"password": "s3cret"},
        {"username": "brøker", "password": "s3cret"},
        {"username": "broker", "password": "s3${HOME}cret"},
        {"exporter_id": "app-int"},
        {"exporter_id": "app_int"},
        {"exporter_id": ""},
        {"exporter_id": "rdbms"},
        {"exporter_id": "camundaExporter"},
    ],
)
def test_arguments_the_broker_would_misunderstand(wrong):
    """Incomplete credentials, odd characters and reserved ids are refused."""
    with pytest.raises(ConfigError):
        broker_environment("8.6.0", URL, **wrong)


def exporters_of(given, version="8.10.0"):
    """Return the index prefix of each exporter of each tenant, as the broker has it."""
    return {
        tenant: {
            name: each.index_prefix
            for name, each in exporters(given, version, tenant).items()
        }
        for tenant in tenants(given, version)
    }


@pytest.mark.parametrize("ids", [["a", "b"], ["b", "default", "a"]])
def test_physical_tenants(ids):
    """Every tenant, including `default`, lists us and has its own index prefix."""
    given = broker_environment("8.10.0", URL, physical_tenants=ids)

    assert exporters_of(given) == {
        "default": {"appintspool": "zeebe-record"},
        "a": {"appintspool": "zeebe-record-a"},
        "b": {"appintspool": "zeebe-record-b"},
    }
    assert given["CAMUNDA_PHYSICALTENANTS_A_DATA_EXPORTERSASSIGNED"] == "appintspool"


def test_physical_tenants_of_another_id():
    """The lists have the id that was kept from the official exporter."""
    given = broker_environment(
        "8.10.0", URL, exporter_id="MINE", physical_tenants=["a"]
    )

    assert exporters_of(given)["a"] == {"mine": "zeebe-record-a"}


def test_physical_tenants_of_an_older_broker():
    """Physical tenants are an error before 8.10."""
    with pytest.raises(ConfigError, match=r"8\.9\.0 has no physical tenants"):
        broker_environment("8.9.0", URL, physical_tenants=["a"])


@pytest.mark.parametrize("wrong", ["my-tenant", "Red", "a_b", "", "\u0668"])
def test_physical_tenants_that_no_variable_names(wrong):
    """A tenant that a variable can't spell is refused, with a remedy."""
    with pytest.raises(ConfigError, match="in YAML") as raised:
        broker_environment("8.10.0", URL, physical_tenants=["a", wrong])

    assert repr(wrong) in str(raised.value)
