"""Variables have the same effect as in a broker of each version."""

import pytest

from devkit.arguments import exporters, tenants
from devkit.requests import STARTUP, recorded
from devkit.stories import CannotStartError
from exporter.broker.environment import flags, parse_version
from tests.devkit.exporters import one, variables
from tests.records import a_record

VERSIONS = ("8.5.8", "8.6.0", "8.7.12", "8.8.21", "8.9.0", "8.10.0")
TENANT = "CAMUNDA_PHYSICALTENANTS"


def exports(arguments, kind="USER_TASK", **changes):
    """Return whether an exporter sends a record."""
    version = ".".join(map(str, arguments.version))
    changes = {"brokerVersion": version} | changes
    return arguments.exports(a_record(valueType=kind, **changes))


@pytest.mark.parametrize("version", ["8.5.8", "8.6.0"])
def test_flags_on_by_default(version):
    """The default flags are those of the recording, and those that we switch off."""
    kinds = {request.path.split("_")[3] for request in recorded(STARTUP)[1:-1]}
    types = one(version).flags - {"EVENT"}

    assert {each.replace("_", "") for each in types} == {*flags(parse_version(version))}
    if version == "8.6.0":
        on = {each.replace("_", "-").lower() for each in types}
        assert on == kinds - {"job-batch"}


@pytest.mark.parametrize("version", ["8.8.0", "8.9.0", "8.10.0"])
def test_defaults_of_8_10(version):
    """8.10 uses Optimize mode by default, and doesn't export jobs."""
    given, is_new = one(version), version == "8.10.0"
    assert given.index_optimizemodeenabled == is_new
    assert ("JOB" not in given.flags) == is_new


@pytest.mark.parametrize("version", ["8.7.0", "8.8.0"])
def test_include_enabled_records(version):
    """From 8.8 on, all but seven types need includeEnabledRecords."""
    usual, more = one(version), one(version, INCLUDEENABLEDRECORDS="true")

    assert exports(usual, "PROCESS_INSTANCE")
    assert exports(more, "MESSAGE")
    assert exports(usual, "MESSAGE") == (version < "8.8")
    assert exports(usual, "MESSAGE", brokerVersion="8.7.0")
    assert not exports(more, "ROLE")


@pytest.mark.parametrize(
    "argument, on, changes",
    [
        ("INDEX_USERTASK", True, {}),
        ("index_userTask", True, {}),
        ("INDEX_JOBBATCH", False, {"kind": "JOB_BATCH"}),
        ("INDEX_EVENT", True, {"recordType": "EVENT"}),
        ("INDEX_COMMAND", False, {"recordType": "COMMAND"}),
        ("INDEX_REJECTION", False, {"recordType": "COMMAND_REJECTION"}),
    ],
)
def test_flags(argument, on, changes):
    """A flag in any letter case enables or disables a value type or record type."""
    default, other = one("8.6.0"), one("8.6.0", **{argument: str(not on)})

    assert exports(default, **changes) is on
    assert exports(other, **changes) is not on
    assert exports(other, "JOB") == (argument != "INDEX_EVENT")


OPTIMIZE = """
pass USER_TASK CREATING ASSIGNED COMPLETED CANCELED
drop USER_TASK CREATED UPDATED
pass PROCESS_INSTANCE ELEMENT_ACTIVATING ELEMENT_COMPLETED ELEMENT_TERMINATED
drop PROCESS_INSTANCE ELEMENT_ACTIVATED SEQUENCE_FLOW_TAKEN
pass INCIDENT CREATED RESOLVED
pass VARIABLE CREATED UPDATED
drop VARIABLE MIGRATED
pass PROCESS CREATED
drop PROCESS DELETED
drop JOB CREATED
drop MESSAGE PUBLISHED
"""


@pytest.mark.parametrize("line", OPTIMIZE.strip().splitlines())
def test_optimize_mode(line):
    """Optimize mode overrides the flags for records of 8.9 and later."""
    more = {"INCLUDEENABLEDRECORDS": "true", "INDEX_JOB": "true"}
    given = one("8.10.0", **more)
    off = one("8.10.0", INDEX_OPTIMIZEMODEENABLED="false", **more)

    verb, kind, *intents = line.split()
    for intent in intents:
        assert exports(given, kind, intent=intent) == (verb == "pass")
        assert exports(given, kind, intent=intent, brokerVersion="8.8.0")
        assert exports(off, kind, intent=intent)


@pytest.mark.parametrize(
    "argument, known_to",
    [
        ("NOSUCHARGUMENT", ()),
        ("INDEX_NOSUCHTYPE", ()),
        ("INDEX_USAGEMETRICS", VERSIONS[3:]),
        ("INCLUDEENABLEDRECORDS", VERSIONS[3:]),
        ("INDEX_OPTIMIZEMODEENABLED", VERSIONS[4:]),
        ("INDEX_CLUSTERVARIABLE", VERSIONS[4:]),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_arguments(version, argument, known_to):
    """Up to 8.9, a broker ignores unknown arguments; 8.10 doesn't start."""
    is_known = version in known_to
    if not is_known and version == "8.10.0":
        with pytest.raises(CannotStartError, match=argument.lower()):
            one(version, **{argument: "true"})
        return
    on, off = (one(version, **{argument: value}) for value in ("true", "false"))
    assert one(version) in (on, off)
    # Some flags are known to a version, but have no effect.
    assert (on != off) == (is_known and argument != "INDEX_USAGEMETRICS")


@pytest.mark.parametrize(
    "arguments",
    [
        {"BULK_DELAY": "1s"},
        {"BULK_DELAY": "0.5"},
        {"BULK_SIZE": "many"},
        {"INDEX_JOB": "yes"},
        {"INDEX_PREFIX": "with_line"},
        {"kind": "io.camunda.exporter.appint.AppIntegrationsExporter"},
        # Arguments that aren't imitated.
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
    """A broker doesn't start with a wrong type of argument, or an unknown class."""
    with pytest.raises(CannotStartError):
        one("8.9.0", **arguments)


@pytest.mark.parametrize("version", VERSIONS)
def test_both_forms(version):
    """Up to 8.7 only the old form works; from 8.8 on either works, but not both."""
    old, new = variables("8.7.0"), variables("8.8.0")

    assert list(exporters(old, version)) == ["x"]
    if version in VERSIONS[:3]:
        assert exporters(new, version) == {}
        return
    assert exporters(new, version) == exporters(old, version)
    with pytest.raises(CannotStartError, match="both set"):
        exporters(old | new, version)


def assigned(tenant, *names):
    """Return the variables that assign exporters to a physical tenant."""
    return {
        f"{TENANT}_{tenant}_DATA_EXPORTERSASSIGNED_{number}": name
        for number, name in enumerate(names)
    } or {f"{TENANT}_{tenant}_DATA_EXPORTERSASSIGNED": ""}


def test_physical_tenants():
    """A physical tenant runs the exporters in its list, and can override arguments."""
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
    with pytest.raises(CannotStartError, match=r"lists .*z"):
        exporters(given | assigned("DEFAULT", "z"), "8.10.0")


@pytest.mark.parametrize("missing", ["DEFAULT", "RED"])
def test_exporters_assigned_is_mandatory(missing):
    """In 8.10, every physical tenant must list its exporters if there are any."""
    listed = assigned("DEFAULT") | assigned("RED")
    given = {name: listed[name] for name in listed if missing not in name}
    given |= {f"{TENANT}_RED_NAME": "Red"}

    assert exporters(given, "8.10.0") == {}
    given |= variables("8.10.0")
    with pytest.raises(CannotStartError, match=missing.lower()):
        exporters(given, "8.10.0")
    assert tenants(given, "8.9.0") == ["default"]
    assert list(exporters(given, "8.9.0")) == ["x"]
