"""Every version makes of variables what a broker of that version makes of them."""

import json

import pytest

from devkit.arguments import WrongConfigurationError, exporters, tenants
from devkit.requests import WIRE
from exporter.distribution.broker_environment import (
    broker_environment,
    flags,
    parse_version,
)
from tests.devkit.exporters import OPENSEARCH, one, variables
from tests.records import a_record

VERSIONS = ("8.5.8", "8.6.0", "8.7.12", "8.8.21", "8.9.0", "8.10.0")
NEW = VERSIONS[3:]
TENANT = "CAMUNDA_PHYSICALTENANTS"


def exports(arguments, kind="USER_TASK", **changes):
    """Return whether a record is exported."""
    version = ".".join(map(str, arguments.version))
    changes = {"brokerVersion": version} | changes
    return arguments.exports(a_record(valueType=kind, **changes))


@pytest.mark.parametrize("version", VERSIONS)
def test_our_own_variables(version):
    """Every version starts with the variables that we print, and is limited by them."""
    given = broker_environment(version, "http://127.0.0.1:9280", bulk_size=50)
    (ours,) = exporters(given, version).values()

    assert (ours.id, ours.bulk_size, ours.bulk_delay) == ("appintspool", 50, 1)
    assert ours.address == ("127.0.0.1", 9280, False)
    assert ours.types & {"USER_TASK", "JOB", "PROCESS"} == {"USER_TASK"}


@pytest.mark.parametrize("version", VERSIONS)
def test_placeholders(version):
    """A broker replaces `${NAME}` by that variable, or by the default in it."""
    given = variables(
        version, AUTHENTICATION_PASSWORD="${SECRET}", INDEX_PREFIX="${NAME:a}-${NAME}"
    )

    (arguments,) = exporters(given | {"SECRET": "made up"}, version).values()

    assert arguments.authentication_password == "made up"
    assert arguments.index_prefix == "a-${NAME}"


@pytest.mark.parametrize("version, count", [("8.5.8", 28), ("8.6.0", 31)])
def test_flags_on_by_default(version, count):
    """What is on by default is what was recorded, and what we switch off."""
    lines = (WIRE / "es-exporter-8.6.0-startup.jsonl").read_text("utf-8").splitlines()
    paths = [json.loads(line)["path"] for line in lines]
    templates = {path.split("_")[3] for path in paths if "_index_template" in path}
    types = one(version).types

    assert len(types) == count
    assert {kind.replace("_", "") for kind in types} == set(
        flags(parse_version(version))
    )
    if version == "8.6.0":
        named = {kind.replace("_", "-").lower() for kind in types}
        assert named == templates - {"job-batch"}


@pytest.mark.parametrize(
    "version, job, optimized",
    [("8.8.0", True, False), ("8.9.0", True, False), ("8.10.0", False, True)],
)
def test_defaults(version, job, optimized):
    """8.10 is in Optimize mode by default, and switches off jobs."""
    given = one(version)

    assert ("JOB" in given.types) == job
    assert given.index_optimizemodeenabled == optimized
    assert (given.bulk_size, given.bulk_delay) == (1000, 5)
    assert given.requesttimeoutms == 30_000
    assert given.bulk_memorylimit == 10_485_760
    assert given.url == "http://localhost:9200"


@pytest.mark.parametrize("version", ["8.7.0", "8.8.0"])
def test_include_enabled_records(version):
    """From 8.8 on seven types are exported, others only with includeEnabledRecords."""
    usual, more = one(version), one(version, INCLUDEENABLEDRECORDS="true")
    old = version < "8.8"

    assert exports(usual, "PROCESS_INSTANCE")
    assert exports(more, "MESSAGE")
    assert exports(usual, "MESSAGE") == old
    assert exports(usual, "MESSAGE", brokerVersion="8.7.0")
    assert not exports(more, "ROLE")


@pytest.mark.parametrize("argument", ["INDEX_USERTASK", "index_userTask"])
def test_flags(argument):
    """A flag is found in any case, and switches its value type off."""
    given = one("8.6.0", **{argument: "false"})

    assert not exports(given)
    assert exports(given, "JOB")


@pytest.mark.parametrize(
    "record_type, argument",
    [
        ("EVENT", "INDEX_EVENT"),
        ("COMMAND", "INDEX_COMMAND"),
        ("COMMAND_REJECTION", "INDEX_REJECTION"),
    ],
)
@pytest.mark.parametrize("on", [True, False])
def test_record_types(record_type, argument, on):
    """Events are exported by default, commands and rejections where switched on."""
    given = one("8.6.0", **{argument: str(on).lower()})

    assert exports(given, recordType=record_type) == on
    assert exports(one("8.6.0"), recordType=record_type) == (record_type == "EVENT")


@pytest.mark.parametrize(
    "kind, intent, passes",
    [
        ("USER_TASK", "CREATING", True),
        ("USER_TASK", "CREATED", False),
        ("USER_TASK", "UPDATED", False),
        ("USER_TASK", "ASSIGNED", True),
        ("PROCESS_INSTANCE", "ELEMENT_ACTIVATING", True),
        ("PROCESS_INSTANCE", "SEQUENCE_FLOW_TAKEN", False),
        ("PROCESS_INSTANCE", "ELEMENT_ACTIVATED", False),
        ("INCIDENT", "RESOLVED", True),
        ("VARIABLE", "UPDATED", True),
        ("PROCESS", "DELETED", False),
        ("JOB", "CREATED", False),
        ("MESSAGE", "PUBLISHED", False),
    ],
)
def test_optimize_mode(kind, intent, passes):
    """Optimize mode decides about what 8.9 and later wrote, whatever is switched on."""
    more = {"INCLUDEENABLEDRECORDS": "true", "INDEX_JOB": "true"}
    given = one("8.10.0", **more)
    off = one("8.10.0", INDEX_OPTIMIZEMODEENABLED="false", **more)

    assert exports(given, kind, intent=intent) == passes
    assert exports(given, kind, intent=intent, brokerVersion="8.8.0")
    assert exports(off, kind, intent=intent)


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_arguments(version):
    """What a version doesn't know is ignored up to 8.9; 8.10 doesn't start."""
    unknown = {"SOMETHING_ELSE": "1", "INDEX_NOSUCHTYPE": "true"}
    if version != "8.10.0":
        assert one(version, **unknown) == one(version)
        return
    for name, value in unknown.items():
        with pytest.raises(WrongConfigurationError, match=name.lower()):
            one(version, **{name: value})


@pytest.mark.parametrize(
    "argument, value, since, changed",
    [
        ("INCLUDEENABLEDRECORDS", "true", "8.8.21", "includeenabledrecords"),
        ("INDEX_OPTIMIZEMODEENABLED", "true", "8.9.0", "index_optimizemodeenabled"),
        ("RETENTION_MANAGEPOLICY", "false", "8.9.0", "retention_managepolicy"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_arguments_of_later_versions(version, argument, value, since, changed):
    """An argument has no effect before the version that brought it."""
    given = getattr(one(version, **{argument: value}), changed)
    unknown = VERSIONS.index(version) < VERSIONS.index(since)

    assert given == ((value == "true") != unknown)


@pytest.mark.parametrize(
    "arguments",
    [
        {"BULK_DELAY": "1s"},
        {"BULK_DELAY": "0.5"},
        {"BULK_SIZE": "many"},
        {"INDEX_JOB": "yes"},
        {"INDEX_PREFIX": "with_line"},
        # What isn't imitated.
        {"URL": "http://a:1,http://b:2"},
        {"PROXY_ENABLED": "true"},
        {"INDEX_BPMNPROCESSIDINCLUSION_0": "a"},
        {"INDEX_INDEXSUFFIXDATEPATTERN": "yyyy-ww"},
    ],
)
def test_wrong_values(arguments):
    """A broker doesn't start with an argument that isn't of its type."""
    with pytest.raises(WrongConfigurationError):
        one("8.9.0", **arguments)


@pytest.mark.parametrize("prefix", ["a*", "a b", "a,b", "-a", ".a", "a#", ""])
def test_prefixes(prefix):
    """8.10 refuses prefixes that earlier versions take."""
    assert one("8.9.0", INDEX_PREFIX=prefix).index_prefix == prefix
    with pytest.raises(WrongConfigurationError):
        one("8.10.0", INDEX_PREFIX=prefix)


@pytest.mark.parametrize(
    "url, address",
    [
        ("http://127.0.0.1:9280", ("127.0.0.1", 9280, False)),
        ("https://search.example", ("search.example", 443, True)),
        ("http://127.0.0.1:9280/", None),
        ("http://127.0.0.1:9280/path", None),
    ],
)
def test_urls(url, address):
    """A URL with more than host and port starts, and can't be opened."""
    assert one("8.6.0", URL=url).address == address


def test_classes():
    """The broker has these two exporters, and no other class can be loaded."""
    assert one("8.6.0", kind=OPENSEARCH).opensearch
    with pytest.raises(WrongConfigurationError):
        one("8.6.0", kind="io.camunda.exporter.appint.AppIntegrationsExporter")


@pytest.mark.parametrize("name", ["RDBMS", "CAMUNDAEXPORTER"])
def test_reserved_ids(name):
    """From 8.8 on two ids belong to the broker itself."""
    assert list(exporters(variables("8.7.0", name), "8.7.0")) == [name.lower()]
    with pytest.raises(WrongConfigurationError):
        exporters(variables("8.8.0", name), "8.8.0")


def test_order():
    """Exporters are called in the order of their ids."""
    given = variables("8.6.0", "ZFAST") | variables("8.6.0", "ASLOW")

    assert list(exporters(given, "8.6.0")) == ["aslow", "zfast"]


@pytest.mark.parametrize("version", NEW)
def test_both_forms(version, caplog):
    """From 8.8 on the old form alone works, with a warning; both forms don't."""
    old, new = variables("8.7.0"), variables(version)

    assert exporters(old, version) == exporters(new, version)
    assert "no longer supported" in caplog.text
    with pytest.raises(WrongConfigurationError, match="takes one form"):
        exporters(old | new, version)


def test_new_form_in_an_old_broker():
    """Up to 8.7 nobody reads the new form."""
    assert exporters(variables("8.8.0"), "8.7.0") == {}


def assigned(tenant, *names):
    """Return the variables with which a physical tenant runs exporters."""
    return {
        f"{TENANT}_{tenant}_DATA_EXPORTERSASSIGNED_{number}": name
        for number, name in enumerate(names)
    } or {f"{TENANT}_{tenant}_DATA_EXPORTERSASSIGNED": ""}


def test_physical_tenants():
    """A physical tenant runs what it lists, with arguments that it may change."""
    given = variables("8.10.0") | variables("8.10.0", "Y", INDEX_PREFIX="root")
    given |= assigned("DEFAULT", "x") | assigned("RED", "Y", "x") | assigned("BLUE")
    given[f"{TENANT}_RED_DATA_EXPORTERS_Y_ARGS_INDEX_PREFIX"] = "red"

    of = {each: exporters(given, "8.10.0", each) for each in tenants(given, "8.10.0")}

    assert {each: list(found) for each, found in of.items()} == {
        "default": ["x"],
        "blue": [],
        "red": ["x", "y"],
    }
    assert of["red"]["y"].index_prefix == "red"
    assert of["red"]["x"] == of["default"]["x"]


@pytest.mark.parametrize("missing", ["DEFAULT", "RED"])
def test_exporters_assigned_is_mandatory(missing):
    """With physical tenants and an exporter every tenant must list its exporters."""
    listed = assigned("DEFAULT") | assigned("RED")
    given = {name: listed[name] for name in listed if missing not in name}
    given |= {f"{TENANT}_RED_NAME": "Red"}

    assert exporters(given, "8.10.0") == {}
    with pytest.raises(WrongConfigurationError, match=missing.lower()):
        exporters(given | variables("8.10.0"), "8.10.0")


def test_physical_tenants_before_8_10():
    """Up to 8.9 there are no physical tenants."""
    given = variables("8.9.0") | {f"{TENANT}_RED_NAME": "Red"}

    assert tenants(given, "8.9.0") == ["default"]
    assert list(exporters(given, "8.9.0")) == ["x"]
