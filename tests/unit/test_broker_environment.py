"""A broker of any version exports user tasks to us, and nothing else."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.base.errors import ConfigError
from exporter.broker.environment import broker_environment

URL = "http://127.0.0.1:9280"
INSTALL = Path(__file__).parents[2] / "docs" / "install"

# From 8.8 on these are all arguments; 8.10 refuses to start if there is one more.
UNIFIED = {
    "URL": URL,
    "BULK_SIZE": "1",
    "BULK_DELAY": "1",
    "INDEX_CREATETEMPLATE": "false",
    "INDEX_DEPLOYMENT": "false",
    "INDEX_PROCESS": "false",
    "INDEX_INCIDENT": "false",
    "INDEX_VARIABLE": "false",
    "INDEX_PROCESSINSTANCE": "false",
    "INDEX_USERTASK": "true",
    "INDEX_JOB": "false",
}
# It drops CREATED, and is on by default from 8.10 on.
OPTIMIZING = UNIFIED | {"INDEX_OPTIMIZEMODEENABLED": "false"}


def arguments_of(version, prefix="CAMUNDA_DATA_EXPORTERS", **changes):
    """Return the arguments of our exporter, all of them in the form of *prefix*."""
    given = broker_environment(version, URL, **changes)
    kind = given.pop(f"{prefix}_APPINTSPOOL_CLASSNAME")
    assert kind == "io.camunda.zeebe.exporter.ElasticsearchExporter"
    start = f"{prefix}_APPINTSPOOL_ARGS_"
    assert {name[: len(start)] for name in given} == {start}
    return {name.removeprefix(start): value for name, value in given.items()}


@pytest.mark.parametrize(
    "version, expected",
    [
        ("8.8.0-alpha1", UNIFIED),
        ("8.8.21", UNIFIED),
        ("8.9.0-rc2", OPTIMIZING),
        ("8.10.0-alpha5", OPTIMIZING),
        ("8.11.0", OPTIMIZING),
        ("9.0.0", OPTIMIZING),
        ("SNAPSHOT", OPTIMIZING),
    ],
)
def test_unified_form(version, expected):
    """From 8.8 on only flags that exist in every version are set."""
    assert arguments_of(version) == expected


@pytest.mark.parametrize(
    "version, flags", [("8.5.0", 28), ("8.6.0", 31), ("8.6", 31), ("8.7.26", 31)]
)
def test_older_form(version, flags):
    """Up to 8.7 every other flag that is on by default is switched off."""
    given = arguments_of(version, "ZEEBE_BROKER_EXPORTERS")
    of_types = {k: v for k, v in given.items() if k.startswith("INDEX_")}
    del of_types["INDEX_CREATETEMPLATE"]

    assert len(of_types) == flags
    assert {name for name, on in of_types.items() if on == "true"} == {"INDEX_USERTASK"}
    assert ("INDEX_AUTHORIZATION" in given) == (version != "8.5.0")


@pytest.mark.parametrize("page", ["migrating.md", "bare-broker.md"])
def test_yaml_of_the_pages(page):
    """The YAML in the docs means the same as the variables of 8.10."""
    text = (INSTALL / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(\S+exporters\..*?)```", text, re.DOTALL)
    ((exporter,),) = [yaml.safe_load(block).values()]
    flat = dict(flattened(exporter["args"]))
    flat = {k: v for k, v in flat.items() if not k.startswith("AUTHENTICATION_")}

    assert flat | {"URL": URL} == OPTIMIZING


def flattened(tree, start=""):
    """Yield each value of *tree* with the name of its variable."""
    for name, value in tree.items():
        path = f"{start}{name.upper()}"
        if isinstance(value, dict):
            yield from flattened(value, f"{path}_")
        else:
            yield path, str(value).lower() if isinstance(value, bool) else str(value)


WRONG_VERSIONS = [
    *("8.4.12", "8.4", "7.21.0", "", "8", "latest", "v8.6.0", "8.6.0 "),
    *("9" * 5000 + ".1", "\u0668.\u0668"),
]
WRONG_URLS = [
    *(f"{URL}/", f"{URL}/_bulk", f"{URL}?x=1", "", "127.0.0.1:9280", "ftp://a:9280"),
    *("http://me:pass@a:9280", "http://one:9280,http://two:9280", "http://:9280"),
    *("http://a:port", "http://a:99999", "http://a:0", "http://a:", "http://a b:1"),
    *("http://${A}:1", "http://[::1", f"{URL}\n"),
]


@pytest.mark.parametrize(
    "wrong, remedy",
    [
        *(({"version": each}, "Use ") for each in WRONG_VERSIONS),
        *(({"url": each}, "nothing after the port") for each in WRONG_URLS),
        *(({"exporter_id": each}, "letters") for each in ("app-int", "", "rdbms")),
        ({"exporter_id": "camundaExporter"}, "letters and digits"),
        ({"username": "a", "password": "s3${HOME}cret"}, "INGEST_PASSWORD"),
        ({"version": "8.9.0", "physical_tenants": ["a"]}, "from 8.10 on"),
        *(
            ({"physical_tenants": ["a", each]}, "docs/broker.md")
            for each in ("my-tenant", "Red", "a_b", "", "\u0668")
        ),
    ],
)
def test_mistakes(wrong, remedy):
    """What would make a broker export nothing is refused, with a remedy."""
    given = {"version": "8.10.0", "url": URL} | wrong

    with pytest.raises(ConfigError) as raised:
        broker_environment(**given)

    assert remedy in raised.value.remedy
    assert "pass@" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://[::1]:9280", "http://exporter", "https://a:1"]
)
def test_urls(url):
    """A URL may have a name or an address, and a port."""
    given = broker_environment("8.10.0", url)

    assert given["CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_URL"] == url
