"""
Recorded process instances, cut into parts: one part for each command.

A part holds the records that the engine wrote for one command. Every key of a recording
gets a role ("the first user task `approve`"). So a part can be played in any instance
of its model that is in the recorded state. Only `Recording` reads files.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

Record = dict[str, Any]
RECORDINGS = Path(__file__).parent / "recordings"
VERSIONS = ("8.6.0", "8.8.21", "8.9.0")

# A key has the partition's number in the upper bits and a counter in the lower 51.
PARTITION_BITS = 51
MOST_PARTITIONS = 1000

# Recordings of refused commands, and of runs with gaps.
NOT_PLAYED = frozenset({"rejections.jsonl", "tenants.jsonl"})

# The command of a part, by its event. The first match in this order wins.
VERBS = {
    "DEPLOYMENT CREATED": "deploy",
    "PROCESS_INSTANCE_CREATION CREATED": "create",
    "PROCESS_INSTANCE_MIGRATION MIGRATED": "migrate",
    "PROCESS_INSTANCE_MODIFICATION MODIFIED": "modify",
    "VARIABLE_DOCUMENT UPDATED": "set variables",
    "MESSAGE PUBLISHED": "message",
    "SIGNAL BROADCASTED": "signal",
    "TIMER TRIGGERED": "timer",
    "JOB_BATCH ACTIVATED": "activate",
    "JOB COMPLETED": "complete job",
    "JOB FAILED": "fail job",
    "JOB ERROR_THROWN": "throw error",
    "JOB TIMED_OUT": "time out job",
    "JOB RETRIES_UPDATED": "set retries",
    "JOB TIMEOUT_UPDATED": "set timeout",
    "USER_TASK COMPLETING": "complete",
    "USER_TASK ASSIGNING": "assign",
    "USER_TASK CLAIMING": "assign",
    "USER_TASK UPDATING": "update",
    "PROCESS_INSTANCE ELEMENT_TERMINATING": "cancel",
    "INCIDENT RESOLVED": "resolve",
    # The command wasn't recorded; the part only opens elements.
    "PROCESS_INSTANCE ELEMENT_ACTIVATING": "start",
}
DEFINITIONS = {"DEPLOYMENT", "PROCESS", "FORM", "DECISION", "DECISION_REQUIREMENTS"}

# The intent that opens an element, by value type; an intent in ENDS closes it.
OPENS = {
    "PROCESS_INSTANCE": "ELEMENT_ACTIVATED",
    "USER_TASK": "CREATING",
    "VARIABLE_DOCUMENT": "UPDATED",
    **dict.fromkeys(("JOB", "TIMER", "INCIDENT", "SIGNAL_SUBSCRIPTION"), "CREATED"),
    "PROCESS_MESSAGE_SUBSCRIPTION": "CREATED",
}
ENDS = {"COMPLETED", "TERMINATED", "CANCELED", "TRIGGERED", "RESOLVED", "ERROR_THROWN"}
ENDS |= {"ELEMENT_COMPLETED", "ELEMENT_TERMINATED", "CORRELATED", "DELETED"}


class CannotStartError(Exception):
    """A broker can't start, for the reason in the message."""


class Role(NamedTuple):
    """The meaning of a key, the same in every instance of a model."""

    kind: str
    name: str
    number: int


@dataclass(frozen=True)
class Part:
    """The records that the engine wrote for one command."""

    number: int
    model: str
    verb: str
    subject: Role | None
    """The target of the command: a user task, a job, an incident or a timer."""
    name: str
    before: frozenset[Role]
    """The open roles of the instance before the command."""
    first: int
    """The position of the command; the command itself may be missing."""
    records: tuple[Record, ...]
    roles: Mapping[int, Role]
    born: tuple[Role, ...]
    """Roles that no earlier part of the story has."""
    event: Record
    """The event that identifies the command."""
    tasks: Mapping[int, dict[str, Any]]
    """The value of each user task before the command, by its key."""

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of all variables in the records."""
        values = [each["value"] for each in self.records]
        names = {v["name"] for v in values if "scopeKey" in v and "name" in v}
        return frozenset(names.union(*(v.get("variables") or () for v in values)))


def is_key(value: object) -> TypeGuard[int]:
    """Return whether *value* is a key: its upper bits hold a partition's number."""
    return isinstance(value, int) and 0 < value >> PARTITION_BITS < MOST_PARTITIONS


class Recording:
    """The recording of one version."""

    def __init__(self, directory: Path) -> None:
        found: dict[tuple[int, str], Record] = {}
        for path in sorted(directory.glob("*.jsonl")):
            if path.name in NOT_PLAYED:
                continue
            try:
                for record in map(json.loads, path.read_bytes().splitlines()):
                    found[record["position"], record["recordType"]] = record
            except (ValueError, TypeError, LookupError) as error:
                raise CannotStartError(f"{path} has a line without a record") from error
        self.records = [found[each] for each in sorted(found)]
        self.version = self.records[0]["brokerVersion"] if found else ""
        self.parts: list[Part] = []
        self.definitions = {
            r["key"] for r in self.records if _is(r) and r["valueType"] in DEFINITIONS
        }
        processes = (each for each in self.records if _is(each, "PROCESS"))
        self.models = {x["key"]: x["value"]["bpmnProcessId"] for x in processes}
        self._roots: dict[int, int] = {}
        for each in self.records:
            parent = each["value"].get("parentProcessInstanceKey", -1)
            if _is(each, "PROCESS_INSTANCE") and parent > 0:
                self._roots[_instance(each)] = self._roots.get(parent, parent)
        self._jobs = {r["key"]: _instance(r) for r in self.records if _is(r, "JOB")}
        for root, groups in self._stories().items():
            self._cut(root, groups)

    @cached_property
    def deployments(self) -> dict[str, dict[str, bytes]]:
        """The files of each model's deployment, by name."""
        found: dict[str, dict[str, bytes]] = {}
        for part in self.parts:
            values = [each["value"] for each in part.records if part.verb == "deploy"]
            models = {
                each["bpmnProcessId"] for each in values if "bpmnProcessId" in each
            }
            found |= dict.fromkeys(models - {""}, self.files(part))
        return found

    def files(self, part: Part) -> dict[str, bytes]:
        """Return the contents of the files that *part* deployed, by name."""
        values = [x["value"] for x in part.records if x["value"].get("resource")]
        return {x["resourceName"]: base64.b64decode(x["resource"]) for x in values}

    def _stories(self) -> dict[int, list[list[Record]]]:
        """Group records by their command, and the groups by the root instance."""
        groups: dict[int, list[Record]] = defaultdict(list)
        for record in self.records:
            groups[_first(record)].append(record)
        stories: dict[int, list[list[Record]]] = defaultdict(list)
        for _, group in sorted(groups.items()):
            if _command_of(group)[0]:
                stories[self._root(group)].append(group)
        return stories

    def _root(self, group: Iterable[Record]) -> int:
        """Return the key of the group's root instance, or 0 if there is none."""
        instances = {_instance(record) for record in group if _is(record)}
        for record in group:
            if _is(record, "JOB_BATCH"):
                instances |= {self._jobs.get(x, 0) for x in record["value"]["jobKeys"]}
        roots = {self._roots.get(each, each) for each in instances if each}
        return roots.pop() if len(roots) == 1 else 0

    def _cut(self, root: int, groups: list[list[Record]]) -> None:
        roles: dict[int, Role] = {}
        counts: dict[tuple[str, str], int] = defaultdict(int)
        opened: set[Role] = set()
        tasks: dict[int, dict[str, Any]] = {}
        models = (each["value"].get("bpmnProcessId") for each in groups[0])
        model = next(filter(None, models), "")
        for group in groups:
            verb, event = _command_of(group)
            if event["value"].get("action") in ("claim", "unassign"):
                verb = event["value"]["action"]
            if root == 0 and verb != "deploy":
                continue
            known = set(roles.values())
            for record in group:
                key, kind = record["key"], (record["valueType"], name_of(record))
                if is_key(key) and key not in roles and key not in self.definitions:
                    roles[key] = Role(*kind, counts[kind])
                    counts[kind] += 1
            about = event["value"]["jobKeys"][0] if verb == "activate" else event["key"]
            self.parts.append(
                Part(
                    number=len(self.parts),
                    model=model,
                    verb=verb,
                    subject=roles.get(about),
                    name=name_of(event),
                    before=frozenset(opened),
                    first=_first(group[0]),
                    records=tuple(group),
                    roles=dict(roles),
                    born=tuple(x for x in roles.values() if x not in known),
                    event=event,
                    tasks=dict(tasks),
                )
            )
            for record in group:
                follow(record, opened, roles)
                if _is(record, "USER_TASK"):
                    tasks[record["key"]] = record["value"]


def follow(record: Record, opened: set[Role], roles: Mapping[int, Role]) -> None:
    """Update *opened* from *record*, whose keys have these *roles*."""
    role = roles.get(record["key"])
    if role is None or not _is(record):
        return
    intent = record["intent"]
    without_retries = role._replace(kind="JOB WITHOUT RETRIES")
    if OPENS.get(record["valueType"]) == intent:
        opened.add(role)
    elif intent in ENDS:
        opened -= {role, without_retries}
    elif _about(record) == "JOB FAILED" and not record["value"]["retries"]:
        opened.add(without_retries)
    elif _about(record) == "JOB RETRIES_UPDATED":
        opened.discard(without_retries)


recording = lru_cache(Recording)
"""Return the recording in a directory; it is read once."""


def name_of(record: Record) -> str:
    """Return the name that *record* gives to its role."""
    value = record["value"]
    if record["valueType"] == "JOB":
        return f"{value['elementId']}/{value['type']}"
    names = ("elementId", "name", "targetElementId", "messageName", "signalName")
    return next((str(value[x]) for x in (*names, "bpmnProcessId") if value.get(x)), "")


def _command_of(group: Iterable[Record]) -> tuple[str, Record]:
    """Return the command of *group*, and the event that identifies it."""
    events: dict[str, Record] = {}
    for record in group:
        if _is(record):
            events.setdefault(_about(record), record)
    return next(((v, events[x]) for x, v in VERBS.items() if x in events), ("", {}))


def _first(record: Record) -> int:
    source, position = record["sourceRecordPosition"], record["position"]
    return int(source if source > 0 else position)


def _about(record: Record) -> str:
    return f"{record['valueType']} {record['intent']}"


def _is(record: Record, value_type: str = "") -> bool:
    return record["recordType"] == "EVENT" and value_type in ("", record["valueType"])


def _instance(record: Record) -> int:
    return max(int(record["value"].get("processInstanceKey", 0) or 0), 0)
