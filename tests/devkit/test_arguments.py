"""Every version makes of variables what a broker of that version makes of them."""

import pytest

from devkit.arguments import WrongConfigurationError, exporters, tenants
from devkit.requests import STARTUP, recorded
from exporter.distribution.broker_environment import (
    broker_environment,
    flags,
    parse_version,
)
from tests.devkit.exporters import OPENSEARCH, one, variables
from tests.records import a_record

VERSIONS = ("8.5.8", "8.6.0", "8.7.12", "8.8.21", "8.9.0", "8.10.0")
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
    ((name, ours),) = exporters(given, version).items()

    assert (name, ours.bulk_size, ours.bulk_delay) == ("appintspool", 50, 1)
    assert ours.address == ("127.0.0.1", 9280)
    assert ours.flags & {"USER_TASK", "JOB", "PROCESS"} == {"USER_TASK"}
    assert not ours.index_optimizemodeenabled


@pytest.mark.parametrize("version", ["8.5.8", "8.6.0"])
def test_flags_on_by_default(version):
    """What is on by default is what was recorded, and what we switch off."""
    kinds = {request.path.split("_")[3] for request in recorded(STARTUP)[1:-1]}
    types = one(version).flags - {"EVENT"}

    assert {each.replace("_", "") for each in types} == {*flags(parse_version(version))}
    if version == "8.6.0":
        on = {each.replace("_", "-").lower() for each in types}
        assert on == kinds - {"job-batch"}


@pytest.mark.parametrize(
    "version, job, optimized",
    [("8.8.0", True, False), ("8.9.0", True, False), ("8.10.0", False, True)],
)
def test_defaults(version, job, optimized):
    """8.10 is in Optimize mode by default, and switches off jobs."""
    given = one(version)

    assert ("JOB" in given.flags, given.index_optimizemodeenabled) == (job, optimized)
    assert (given.url, given.requesttimeoutms) == ("http://localhost:9200", 30_000)
    assert (given.bulk_size, given.bulk_delay) == (1000, 5)


@pytest.mark.parametrize("version", ["8.7.0", "8.8.0"])
def test_include_enabled_records(version):
    """From 8.8 on seven types are exported, others only with includeEnabledRecords."""
    usual, more = one(version), one(version, INCLUDEENABLEDRECORDS="true")

    assert exports(usual, "PROCESS_INSTANCE")
    assert exports(more, "MESSAGE")
    assert exports(usual, "MESSAGE") == (version < "8.8")
    assert exports(usual, "MESSAGE", brokerVersion="8.7.0")
    assert not exports(more, "ROLE")


@pytest.mark.parametrize("argument", ["INDEX_USERTASK", "index_userTask"])
def test_flags(argument):
    """A flag is found in any case, and switches its value type off."""
    given = one("8.6.0", **{argument: "false"})

    assert not exports(given)
    assert exports(given, "JOB")


@pytest.mark.parametrize("record_type", ["EVENT", "COMMAND", "COMMAND_REJECTION"])
@pytest.mark.parametrize("on", [True, False])
def test_record_types(record_type, on):
    """Events are exported by default, commands and rejections where switched on."""
    argument = f"INDEX_{record_type.removeprefix('COMMAND_')}"
    given = one("8.6.0", **{argument: str(on)})

    assert exports(given, recordType=record_type) == on
    assert exports(one("8.6.0"), recordType=record_type) == (record_type == "EVENT")


@pytest.mark.parametrize(
    "kind, intents, dropped",
    [
        ("USER_TASK", "CREATING ASSIGNED COMPLETED CANCELED", "CREATED UPDATED"),
        (
            "PROCESS_INSTANCE",
            "ELEMENT_ACTIVATING ELEMENT_COMPLETED ELEMENT_TERMINATED",
            "SEQUENCE_FLOW_TAKEN ELEMENT_ACTIVATED",
        ),
        ("INCIDENT", "CREATED RESOLVED", ""),
        ("VARIABLE", "CREATED UPDATED", "MIGRATED"),
        ("PROCESS", "CREATED", "DELETED"),
        ("JOB", "", "CREATED"),
        ("MESSAGE", "", "PUBLISHED"),
    ],
)
def test_optimize_mode(kind, intents, dropped):
    """Optimize mode decides about what 8.9 and later wrote, whatever is switched on."""
    more = {"INCLUDEENABLEDRECORDS": "true", "INDEX_JOB": "true"}
    given = one("8.10.0", **more)
    off = one("8.10.0", INDEX_OPTIMIZEMODEENABLED="false", **more)

    for intent in f"{intents} {dropped}".split():
        assert exports(given, kind, intent=intent) == (intent in intents.split())
        assert exports(given, kind, intent=intent, brokerVersion="8.8.0")
        assert exports(off, kind, intent=intent)


@pytest.mark.parametrize(
    "argument, since",
    [
        ("NOSUCHARGUMENT", None),
        ("INDEX_NOSUCHTYPE", None),
        ("INCLUDEENABLEDRECORDS", "8.8.21"),
        ("INDEX_OPTIMIZEMODEENABLED", "8.9.0"),
        ("INDEX_CLUSTERVARIABLE", "8.9.0"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_arguments(version, argument, since):
    """What a version doesn't know is ignored up to 8.9; 8.10 doesn't start."""
    default = one(version)
    if since and VERSIONS.index(version) >= VERSIONS.index(since):
        on, off = (one(version, **{argument: value}) for value in ("true", "false"))
        assert default in (on, off)
        assert on != off
    elif version == "8.10.0":
        with pytest.raises(WrongConfigurationError, match=argument.lower()):
            one(version, **{argument: "true"})
    else:
        assert one(version, **{argument: "true"}) == default


@pytest.mark.parametrize("argument", ["INDEX_USER", "INDEX_USAGEMETRICS"])
def test_flags_without_effect(argument):
    """Some flags are known from 8.8 on, and do nothing."""
    assert one("8.10.0", **{argument: "true"}) == one("8.10.0")


@pytest.mark.parametrize(
    "arguments",
    [
        {"BULK_DELAY": "1s"},
        {"BULK_DELAY": "0.5"},
        {"BULK_SIZE": "many"},
        {"INDEX_JOB": "yes"},
        {"INDEX_PREFIX": "with_line"},
        # What isn't imitated.
        {"BULK_DELAY": "0"},
        {"URL": "http://a:1,http://b:2"},
        {"URL": "https://a:1"},
        {"PROXY_ENABLED": "true"},
        {"RETENTION_ENABLED": "true"},
        {"BULK_MEMORYLIMIT": "1"},
        {"INDEX_BPMNPROCESSIDINCLUSION_0": "a"},
        {"INDEX_INDEXSUFFIXDATEPATTERN": "yyyy-ww"},
    ],
)
def test_wrong_values(arguments):
    """A broker doesn't start with an argument that isn't of its type, or imitated."""
    with pytest.raises(WrongConfigurationError):
        one("8.9.0", **arguments)


@pytest.mark.parametrize("path", ["/", "/path"])
def test_urls(path):
    """A URL with more than host and port starts, and can't be opened."""
    assert one("8.6.0", URL=f"http://127.0.0.1:9280{path}").address is None


def test_classes():
    """The broker has these two exporters, and no other class can be loaded."""
    assert one("8.6.0", kind=OPENSEARCH).opensearch
    with pytest.raises(WrongConfigurationError):
        one("8.6.0", kind="io.camunda.exporter.appint.AppIntegrationsExporter")


def test_order():
    """Exporters are called in the order of their ids."""
    given = variables("8.6.0", "ZFAST") | variables("8.6.0", "ASLOW")

    assert list(exporters(given, "8.6.0")) == ["aslow", "zfast"]


@pytest.mark.parametrize("version", VERSIONS)
def test_both_forms(version):
    """Up to 8.7 there is the old form; from 8.8 on either form works, never both."""
    old, new = variables("8.7.0"), variables("8.8.0")

    assert list(exporters(old, version)) == ["x"]
    if VERSIONS.index(version) < VERSIONS.index("8.8.21"):
        assert exporters(new, version) == {}
        return
    assert exporters(new, version) == exporters(old, version)
    with pytest.raises(WrongConfigurationError, match="takes one form"):
        exporters(old | new, version)


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


def test_unknown_exporter_assigned():
    """A physical tenant can't list an exporter that isn't defined."""
    given = variables("8.10.0") | assigned("DEFAULT", "x", "z")

    with pytest.raises(WrongConfigurationError, match="z"):
        exporters(given, "8.10.0")


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
