"""
The search exporters that a broker's variables configure, by version.

Pure. `CannotStartError` means that a broker of this version doesn't start, or that
a setting isn't imitated. Two assumptions aren't confirmed: exporters run in the order
of their ids, and the new flags of 8.10 have the names of their value types.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from devkit.engine import DEFAULT
from devkit.stories import CannotStartError, Record

Version = tuple[int, int, int]

CLASSES = {
    "io.camunda.zeebe.exporter.ElasticsearchExporter": False,
    "io.camunda.zeebe.exporter.opensearch.OpensearchExporter": True,
}
LEGACY, UNIFIED = "ZEEBE_BROKER_EXPORTERS_", "CAMUNDA_DATA_EXPORTERS_"
EXPORTER = re.compile(r"([A-Z0-9]+)_(CLASSNAME|ARGS_(\w+))")
TENANTS = "CAMUNDA_PHYSICALTENANTS_"

# The flags that each version adds: on or off by default, or without effect (-).
FLAGS = """
8.5 on  EVENT DECISION DECISION_EVALUATION DECISION_REQUIREMENTS DEPLOYMENT ERROR TIMER
8.5 on  INCIDENT JOB MESSAGE MESSAGE_SUBSCRIPTION PROCESS PROCESS_INSTANCE VARIABLE FORM
8.5 on  PROCESS_INSTANCE_CREATION PROCESS_INSTANCE_MIGRATION SIGNAL SIGNAL_SUBSCRIPTION
8.5 on  PROCESS_INSTANCE_MODIFICATION PROCESS_MESSAGE_SUBSCRIPTION VARIABLE_DOCUMENT
8.5 on  MESSAGE_START_EVENT_SUBSCRIPTION DEPLOYMENT_DISTRIBUTION ESCALATION USER_TASK
8.5 on  RESOURCE_DELETION COMMAND_DISTRIBUTION COMPENSATION_SUBSCRIPTION
8.5 off COMMAND REJECTION JOB_BATCH MESSAGE_BATCH PROCESS_INSTANCE_BATCH CHECKPOINT
8.5 off PROCESS_EVENT
8.6 on  MESSAGE_CORRELATION USER AUTHORIZATION
8.8 on  AD_HOC_SUB_PROCESS_INSTRUCTION RUNTIME_INSTRUCTION
8.8 off ASYNC_REQUEST
8.8 -   USER AUTHORIZATION USAGE_METRICS BATCH_OPERATION_CREATION BATCH_OPERATION_CHUNK
8.8 -   BATCH_OPERATION_EXECUTION BATCH_OPERATION_LIFECYCLE_MANAGEMENT
8.8 -   BATCH_OPERATION_PARTITION_LIFECYCLE BATCH_OPERATION_INITIALIZATION
8.9 on  CLUSTER_VARIABLE GLOBAL_LISTENER_BATCH GLOBAL_LISTENER
8.9 off CONDITIONAL_SUBSCRIPTION CONDITIONAL_EVALUATION
8.10 on  AGENT_INSTANCE AGENT_HISTORY AGENT_DEFINITION AGENT_INSTANCE_BATCH
8.10 on  PROCESS_INSTANCE_BUSINESS_ID MESSAGE_START_PROCESS_INSTANCE_REQUEST
8.10 on  MESSAGE_START_CORRELATION_KEY_LOCK_RELEASE
8.10 off JOB
"""
# Value types that 8.8 and later export unless `includeEnabledRecords` is set.
USUAL = re.compile("DEPLOYMENT|PROCESS(_INSTANCE)?|INCIDENT|VARIABLE|USER_TASK|JOB")
# Records that are exported in Optimize mode.
OPTIMIZE = re.compile(
    "USER_TASK (CREATING|ASSIGNED|COMPLETED|CANCELED)|VARIABLE (CREATED|UPDATED)"
    "|PROCESS_INSTANCE ELEMENT_(ACTIVATING|COMPLETED|TERMINATED)|INCIDENT .*"
    "|PROCESS CREATED"
)
SINCE = {"includeenabledrecords": (8, 8), "index_optimizemodeenabled": (8, 9)}
NOT_IMITATED = re.compile(
    "(proxy|interceptorplugins|aws|security|retention)_.*|.*(in|ex)clusion.*"
    "|bulk_memorylimit|index_(numberof.*|templatepriority|indexsuffixdatepattern)"
)
# Settings of which only some values are imitated.
VALUES = {
    "url": r"http://[^:/,\s]+:\d+(/\S*)?",
    "bulk_delay": "[1-9].*",
    "index_prefix": "[A-Za-z0-9][A-Za-z0-9-]*",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Arguments of one exporter; fields after `flags` have the names of variables."""

    version: Version
    opensearch: bool
    flags: frozenset[str]
    """The enabled value types, and EVENT, COMMAND or REJECTION."""
    url: str = "http://localhost:9200"
    requesttimeoutms: int = 30_000
    bulk_size: int = 1000
    bulk_delay: int = 5
    index_prefix: str = "zeebe-record"
    index_createtemplate: bool = True
    index_optimizemodeenabled: bool = False
    includeenabledrecords: bool = False
    authentication_username: str = ""
    authentication_password: str = ""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; None if the URL has a path, which exporters can't open."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return (host, int(port)) if port.isdigit() else None

    def exports(self, record: Record) -> bool:
        """Return whether the exporter sends *record*."""
        kind, written = record["valueType"], version_of(record["brokerVersion"])
        if record["recordType"].removeprefix("COMMAND_") not in self.flags:
            return False
        if self.index_optimizemodeenabled and written >= (8, 9):
            return bool(OPTIMIZE.fullmatch(f"{kind} {record['intent']}"))
        if min(self.version, written) >= (8, 8) and not USUAL.fullmatch(kind):
            return self.includeenabledrecords and kind in self.flags
        return kind in self.flags


TYPES = {each.name: each.type for each in fields(Arguments)[3:]}


def first_of(environ: Mapping[str, str], *names: str) -> str:
    """Return the value of the first variable that is set, or ""."""
    return next((environ[name] for name in names if environ.get(name)), "")


@cache
def version_of(text: str) -> Version:
    """Return a version such as 8.10.0-alpha5 as three numbers."""
    if not (found := re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)):
        raise CannotStartError(f"{text!r} isn't a version")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def tenants(environ: Mapping[str, str], version: str) -> list[str]:
    """Return the ids of the physical tenants; `default` always exists, and is first."""
    return [DEFAULT, *sorted(_named(environ, version) - {DEFAULT})]


def exporters(
    environ: Mapping[str, str], version: str, tenant: str = DEFAULT
) -> dict[str, Arguments]:
    """Return the exporters of one physical tenant by id, in the broker's order."""
    broker = version_of(version)
    root, unified = _exporters(environ, LEGACY), _exporters(environ, UNIFIED)
    if broker >= (8, 8):
        if root and unified:
            raise CannotStartError(
                f"{LEGACY}* and {UNIFIED}* are both set: {version} accepts one form"
            )
        root = root or unified
    wanted, own = set(root), dict[str, dict[str, str]]()
    if named := _named(environ, version):
        assigned = {each: _assigned(environ, each) for each in {DEFAULT, *named}}
        if root and (missing := [x for x in assigned if assigned[x] is None]):
            raise CannotStartError(f"{missing} must set DATA_EXPORTERSASSIGNED")
        wanted = assigned[tenant] or set()
        own = _exporters(environ, f"{TENANTS}{tenant.upper()}_DATA_EXPORTERS_")
    if wanted - root.keys():
        raise CannotStartError(f"{tenant} lists unknown {wanted - root.keys()}")
    return {x: _arguments(x, broker, root[x] | own.get(x, {})) for x in sorted(wanted)}


def _exporters(environ: Mapping[str, str], start: str) -> dict[str, dict[str, str]]:
    """Return class and arguments of each exporter that variables with *start* set."""
    found: dict[str, dict[str, str]] = {}
    for name, value in environ.items():
        if name.upper().startswith(start):
            if not (parts := EXPORTER.fullmatch(name.upper().removeprefix(start))):
                raise CannotStartError(f"{name} isn't imitated")
            key = (parts[3] or parts[2]).lower()
            found.setdefault(parts[1].lower(), {})[key] = value.strip()
    return found


def _named(environ: Mapping[str, str], version: str) -> set[str]:
    """Return the physical tenants that variables name (from 8.10 on)."""
    names = re.findall(f"(?m)^{TENANTS}([A-Z0-9]+)_", "\n".join(environ).upper())
    return set(map(str.lower, names)) if version_of(version) >= (8, 10) else set()


def _assigned(environ: Mapping[str, str], tenant: str) -> set[str] | None:
    """Return the exporter ids in a tenant's list; None if no list is set."""
    start = f"{TENANTS}{tenant.upper()}_DATA_EXPORTERSASSIGNED"
    lists = [environ[x] for x in environ if x.upper().startswith(start)]
    ids = ",".join(lists).lower().replace(" ", "").split(",")
    return set(ids) - {""} if lists else None


def _arguments(name: str, version: Version, given: Mapping[str, str]) -> Arguments:
    class_name, flags = given.get("classname"), _flags(version)
    if class_name not in CLASSES:
        raise CannotStartError(f"{name} needs the class name of a search exporter")
    values: dict[str, Any] = {"index_optimizemodeenabled": version >= (8, 10)}
    for key in given.keys() - {"classname"}:
        if key in TYPES and version >= SINCE.get(key, (8, 5)):
            values[key] = _value(key, given[key], TYPES[key])
        elif key in flags:
            kind, state = flags[key]
            is_on = _value(key, given[key], bool) and state != "-"
            flags[key] = kind, "on" if is_on else "off"
        elif NOT_IMITATED.fullmatch(key) or version >= (8, 10):
            raise CannotStartError(f"{name}: {key} is unknown, or isn't imitated")
    return Arguments(
        version=version,
        opensearch=CLASSES[class_name],
        flags=frozenset(kind for kind, state in flags.values() if state == "on"),
        **values,
    )


def _flags(version: Version) -> dict[str, tuple[str, str]]:
    """Return the value type and the default state of each flag by its argument."""
    return {
        f"index_{kind.replace('_', '').lower()}": (kind, state)
        for since, state, *kinds in map(str.split, FLAGS.strip().splitlines())
        if version >= version_of(since)
        for kind in kinds
    }


def _value(key: str, text: str, kind: Any) -> Any:
    with suppress(ValueError):
        value = text if kind is str else json.loads(text.lower())
        if type(value) is kind and re.fullmatch(VALUES.get(key, ".*"), text):
            return value
    raise CannotStartError(f"{key} is {text!r}, which is invalid or isn't imitated")
