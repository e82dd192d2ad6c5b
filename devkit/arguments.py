"""
What a broker makes of the variables of its Elasticsearch and OpenSearch exporters.

Pure: variables in, arguments out. `WrongConfigurationError` says why that version of
the broker would not start, or what changes its exports and isn't imitated: several
URLs, filters, proxies, interceptors, AWS. Two things aren't known and decided here:
several exporters run in the order of their ids, and the new flags of 8.10 are named as
value types.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

Record = dict[str, Any]
Version = tuple[int, int, int]

log = logging.getLogger(__name__)

CLASSES = {
    "io.camunda.zeebe.exporter.ElasticsearchExporter": False,
    "io.camunda.zeebe.exporter.opensearch.OpensearchExporter": True,
}
RESERVED_IDS = frozenset({"camundaexporter", "rdbms"})
DEFAULT_TENANT = "default"
LEGACY, UNIFIED = "ZEEBE_BROKER_EXPORTERS_", "CAMUNDA_DATA_EXPORTERS_"
TENANT = re.compile(r"CAMUNDA_PHYSICALTENANTS_([A-Z0-9]+)_.*")
ASSIGNED = re.compile(
    r"CAMUNDA_PHYSICALTENANTS_([A-Z0-9]+)_DATA_EXPORTERSASSIGNED(_\d+)?"
)
EXPORTER = re.compile(r"([A-Z0-9]+)_(CLASS_?NAME|JAR_?PATH|ARGS_\w+)")
URL = re.compile(r"(?:(https?)://)?([^:/\s]+|\[[^]]+])(?::(\d+))?")

# The value types whose flag a version adds, and whether the flag is on by default.
FLAGS = """
8.5 on  DECISION DECISION_EVALUATION DECISION_REQUIREMENTS DEPLOYMENT ERROR INCIDENT JOB
8.5 on  MESSAGE MESSAGE_SUBSCRIPTION PROCESS PROCESS_INSTANCE PROCESS_INSTANCE_CREATION
8.5 on  PROCESS_INSTANCE_MIGRATION PROCESS_INSTANCE_MODIFICATION VARIABLE TIMER FORM
8.5 on  PROCESS_MESSAGE_SUBSCRIPTION VARIABLE_DOCUMENT MESSAGE_START_EVENT_SUBSCRIPTION
8.5 on  DEPLOYMENT_DISTRIBUTION ESCALATION SIGNAL SIGNAL_SUBSCRIPTION RESOURCE_DELETION
8.5 on  COMMAND_DISTRIBUTION USER_TASK COMPENSATION_SUBSCRIPTION
8.5 off JOB_BATCH MESSAGE_BATCH PROCESS_INSTANCE_BATCH CHECKPOINT PROCESS_EVENT
8.6 on  MESSAGE_CORRELATION USER AUTHORIZATION
8.8 on  AD_HOC_SUB_PROCESS_INSTRUCTION RUNTIME_INSTRUCTION
8.8 off ASYNC_REQUEST USAGE_METRICS BATCH_OPERATION_CREATION BATCH_OPERATION_CHUNK
8.8 off BATCH_OPERATION_EXECUTION BATCH_OPERATION_LIFECYCLE_MANAGEMENT
8.8 off BATCH_OPERATION_PARTITION_LIFECYCLE BATCH_OPERATION_INITIALIZATION
8.9 on  CLUSTER_VARIABLE GLOBAL_LISTENER_BATCH GLOBAL_LISTENER
8.9 off CONDITIONAL_SUBSCRIPTION CONDITIONAL_EVALUATION
8.10 on  AGENT_INSTANCE AGENT_HISTORY AGENT_DEFINITION AGENT_INSTANCE_BATCH
8.10 on  PROCESS_INSTANCE_BUSINESS_ID MESSAGE_START_PROCESS_INSTANCE_REQUEST
8.10 on  MESSAGE_START_CORRELATION_KEY_LOCK_RELEASE
8.10 off JOB
"""
# From 8.8 on these flags exist, and do nothing.
DEAD_FLAGS = re.compile("USER|AUTHORIZATION|USAGE_METRICS|BATCH_OPERATION_.*")
# What 8.8 and later export unless `includeEnabledRecords` is set.
USUAL = frozenset(
    ("DEPLOYMENT", "PROCESS", "INCIDENT", "VARIABLE", "PROCESS_INSTANCE")
) | {"USER_TASK", "JOB"}
# What passes in Optimize mode.
OPTIMIZE = {
    "USER_TASK": re.compile("CREATING|ASSIGNED|COMPLETED|CANCELED"),
    "PROCESS_INSTANCE": re.compile("ELEMENT_(ACTIVATING|COMPLETED|TERMINATED)"),
    "INCIDENT": re.compile(".*"),
    "VARIABLE": re.compile("CREATED|UPDATED"),
    "PROCESS": re.compile("CREATED"),
}
SINCE = {
    "includeenabledrecords": (8, 8),
    "index_templatepriority": (8, 8),
    "index_optimizemodeenabled": (8, 9),
    "retention_managepolicy": (8, 9),
}
NOT_IMITATED = re.compile(
    "(proxy|interceptorplugins|aws|security)_.*|.*(in|ex)clusion.*"
)
NOT_IN_A_PREFIX = re.compile(r'[\\/*?"<>| ,#:]|^[.+-]|^$')
PLACEHOLDER = re.compile(r"\$\{([^}:]+)(?::([^}]*))?\}")
DATE_LETTERS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}


class WrongConfigurationError(Exception):
    """A broker of this version would not start, or the argument isn't imitated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """One exporter; what follows `types` is named as a variable spells it."""

    id: str
    version: Version
    opensearch: bool
    types: frozenset[str]
    """The value types whose flag is on."""
    url: str = "http://localhost:9200"
    requesttimeoutms: int = 30_000
    bulk_size: int = 1000
    bulk_delay: int = 5
    bulk_memorylimit: int = 10 * 1024 * 1024
    index_prefix: str = "zeebe-record"
    index_createtemplate: bool = True
    index_indexsuffixdatepattern: str = "yyyy-MM-dd"
    index_numberofshards: int = 0
    index_numberofreplicas: int = 0
    index_templatepriority: int = 20
    index_event: bool = True
    index_command: bool = False
    index_rejection: bool = False
    index_optimizemodeenabled: bool = False
    includeenabledrecords: bool = False
    retention_enabled: bool = False
    retention_minimumage: str = "30d"
    retention_policyname: str = "zeebe-record-retention-policy"
    retention_managepolicy: bool = True
    authentication_username: str = ""
    authentication_password: str = ""

    def __post_init__(self) -> None:
        """Refuse what a broker refuses, and what isn't imitated."""
        strict, prefix = self.version >= (8, 10), self.index_prefix
        if "_" in prefix or (strict and NOT_IN_A_PREFIX.search(prefix)):
            raise WrongConfigurationError(f"{self.id} can't have the prefix {prefix!r}")
        if "," in self.url or self.bulk_delay < 1:
            raise WrongConfigurationError(
                f"{self.id}: several URLs, or a bulk.delay of 0, aren't imitated"
            )
        if self.opensearch and self.retention_enabled:
            raise WrongConfigurationError("OpenSearch's retention isn't imitated")
        if re.search("[A-Za-z']", re.sub("%.", "", self.date_format)):
            raise WrongConfigurationError(f"{self.date_format} isn't imitated")

    @property
    def address(self) -> tuple[str, int, bool] | None:
        """Host, port and TLS; None if the exporter can never open the URL."""
        if not (found := URL.fullmatch(self.url)):
            return None
        tls = found[1] == "https"
        return found[2], int(found[3] or (443 if tls else 80)), tls

    @property
    def date_format(self) -> str:
        """The end of an index's name, for `strftime`."""
        pattern = self.index_indexsuffixdatepattern
        return re.sub("yyyy|MM|dd|HH", lambda found: DATE_LETTERS[found[0]], pattern)

    def exports(self, record: Record) -> bool:
        """Return whether *record* is sent."""
        kind, written = record["valueType"], version_of(record["brokerVersion"])
        name = record["recordType"].removeprefix("COMMAND_").lower()
        if not getattr(self, f"index_{name}"):
            return False
        if self.index_optimizemodeenabled and written >= (8, 9):
            passing = OPTIMIZE.get(kind)
            return bool(passing and passing.fullmatch(record["intent"]))
        limited = min(self.version, written) >= (8, 8) and kind not in USUAL
        return kind in self.types and (self.includeenabledrecords or not limited)


OWN = {each.name: each.type for each in fields(Arguments)[4:]}


@cache
def version_of(text: str) -> Version:
    """Return the numbers of a version such as 8.10.0-alpha5."""
    if not (found := re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)):
        raise WrongConfigurationError(f"{text!r} isn't a version")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def tenants(environ: Mapping[str, str], version: str) -> list[str]:
    """Return the ids of the physical tenants, the one that always exists first."""
    found = map(TENANT.fullmatch, _upper(environ))
    named = {each[1].lower() for each in found if each} - {DEFAULT_TENANT}
    return [DEFAULT_TENANT, *(sorted(named) if version_of(version) >= (8, 10) else ())]


def exporters(
    environ: Mapping[str, str], version: str, tenant: str = DEFAULT_TENANT
) -> dict[str, Arguments]:
    """Return the exporters of one physical tenant by id, in the broker's order."""
    broker, variables = version_of(version), _upper(environ)
    root = _defined(variables, LEGACY)
    if broker >= (8, 8):
        unified = _defined(variables, UNIFIED)
        if root and unified:
            raise WrongConfigurationError(
                f"{LEGACY}* and {UNIFIED}* are both set: {version} takes one form"
            )
        if root:
            log.warning("%s* is no longer supported: use %s*", LEGACY, UNIFIED)
        root = root or unified
    wanted, changes = set(root), dict[str, dict[str, str]]()
    if broker >= (8, 10) and any(map(TENANT.fullmatch, variables)):
        assigned = _assigned(variables)
        missing = set(tenants(environ, version)) - set(assigned)
        if root and missing:
            raise WrongConfigurationError(f"{missing} have no exporters-assigned")
        wanted = assigned.get(tenant, set())
        start = f"CAMUNDA_PHYSICALTENANTS_{tenant.upper()}_DATA_EXPORTERS_"
        changes = _defined(variables, start)
    if wanted - root.keys():
        raise WrongConfigurationError(f"{tenant} lists {wanted - root.keys()}")
    return {
        name: _exporter(name, broker, root[name] | changes.get(name, {}))
        for name in sorted(wanted)
    }


def _upper(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by upper names, each `${NAME}` replaced as a broker does."""
    variables = {name.upper(): value for name, value in environ.items()}

    def named(found: re.Match[str]) -> str:
        default = found[0] if found[2] is None else found[2]
        return variables.get(found[1].upper(), default)

    return {name: PLACEHOLDER.sub(named, value) for name, value in variables.items()}


def _defined(variables: Mapping[str, str], start: str) -> dict[str, dict[str, str]]:
    """Return what is said of each exporter below *start*, by lower names."""
    found: dict[str, dict[str, str]] = {}
    for name, value in variables.items():
        if name.startswith(start):
            if not (parts := EXPORTER.fullmatch(name.removeprefix(start))):
                raise WrongConfigurationError(f"{name} isn't imitated")
            found.setdefault(parts[1].lower(), {})[parts[2].lower()] = value.strip()
    return found


def _assigned(variables: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the ids of the exporters that each physical tenant lists."""
    found: dict[str, set[str]] = {}
    for name, value in variables.items():
        if parts := ASSIGNED.fullmatch(name):
            ids = filter(None, value.lower().replace(" ", "").split(","))
            found.setdefault(parts[1].lower(), set()).update(ids)
    return found


def _exporter(name: str, version: Version, own: Mapping[str, str]) -> Arguments:
    by_key = {key.replace("_", ""): value for key, value in own.items()}
    class_name = by_key.get("classname", "")
    if class_name not in CLASSES or "jarpath" in by_key:
        raise WrongConfigurationError(f"{name} isn't the broker's: {class_name!r}")
    if name in RESERVED_IDS and version >= (8, 8):
        raise WrongConfigurationError(f"{name} is an exporter of the broker itself")
    flags, on = _flags(version)
    values: dict[str, Any] = {"index_optimizemodeenabled": version >= (8, 10)}
    for key in (key.removeprefix("args_") for key in own if key.startswith("args_")):
        text, kind = own[f"args_{key}"], flags.get(key)
        if NOT_IMITATED.fullmatch(key):
            raise WrongConfigurationError(f"{name}: {key} isn't imitated")
        if key in OWN and version >= SINCE.get(key, (8, 5)):
            values[key] = _converted(key, text, OWN[key])
        elif kind:
            on = on | {kind} if _converted(key, text, bool) else on - {kind}
        elif version >= (8, 10):
            raise WrongConfigurationError(f"{name}: this version doesn't know {key}")
    if version >= (8, 8):
        on = frozenset(kind for kind in on if not DEAD_FLAGS.fullmatch(kind))
    opensearch = CLASSES[class_name]
    return Arguments(
        id=name, version=version, opensearch=opensearch, types=on, **values
    )


def _flags(version: Version) -> tuple[dict[str, str], frozenset[str]]:
    """Return each flag's value type by its argument, and what is on by default."""
    on: dict[str, bool] = {}
    for since, state, *kinds in map(str.split, FLAGS.strip().splitlines()):
        if version >= version_of(since):
            on |= dict.fromkeys(kinds, state == "on")
    names = {f"index_{kind.replace('_', '').lower()}": kind for kind in on}
    return names, frozenset(kind for kind in on if on[kind])


def _converted(key: str, text: str, kind: Any) -> str | int | bool:
    if kind is str:
        return text
    if kind is int and re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise WrongConfigurationError(f"{key} can't be {text!r}")
