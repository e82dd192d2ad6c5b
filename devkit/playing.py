"""
One process instance of the recorded engine, and one recorded part played in it.

Keys, positions and times are new. The tenant, the variables and the fields of a user
task follow the commands. Everything else is as recorded.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from devkit.stories import Part, Record, Role, follow, is_key

Body = Mapping[str, Any]
"""The body of a command: `variables`, `action`, `changes`, `tenantId` and so on."""

compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Return a value as JSON in the engine's compact form."""

# Times that move with the clock; KEPT_TIMES keep their first value.
TIMES = frozenset({"deadline", "recurringTime"})
KEPT_TIMES = frozenset({"creationTimestamp", "dueDate"})

# Fields of a user task that commands change, and later records repeat.
TASK_FIELDS = (
    "assignee",
    "candidateGroupsList",
    "candidateUsersList",
    "dueDate",
    "followUpDate",
    "priority",
)
# Fields that the creating command sets in all records of its instance.
INSTANCE_FIELDS = ("tenantId", "tags", "businessId")

# Fields whose value comes from a variable, and changes with it.
WORDS = frozenset({"assignee", "correlationKey"})


@dataclass(slots=True)
class Instance:
    """A process instance: the roles of its keys, and the open ones."""

    key: int
    model: str
    body: Body = field(default_factory=dict)
    """The body of the command that created the instance."""
    keys: dict[Role, int] = field(default_factory=dict)
    opened: set[Role] = field(default_factory=set)
    words: dict[str, Any] = field(default_factory=dict)
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The latest value of each user task, by its key."""
    jobs: dict[int, Record] = field(default_factory=dict)
    due: dict[Role, int] = field(default_factory=dict)
    """The time when a timer is due, or when a worker's job times out."""
    times: dict[tuple[int, str], int] = field(default_factory=dict)
    last: int = -1
    """The number of the part that was played last."""

    def fits(self, part: Part) -> bool:
        """Return whether *part* was recorded in the current state of the instance."""
        return part.model == self.model and part.before == self.opened

    def role(self, key: int) -> Role | None:
        """Return the role of *key*."""
        return next((role for role, each in self.keys.items() if each == key), None)


@dataclass(slots=True)
class Play:
    """One part played in one instance."""

    part: Part
    instance: Instance
    body: Body
    now: int
    """Milliseconds since 1970."""
    partition: int
    moved: int
    """The difference between positions in the log and recorded positions."""
    definitions: Mapping[int, int]
    """The new key of each recorded definition."""
    keys: dict[int, int] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    """The new value of a variable, as JSON, by its recorded value."""
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The user tasks before this play."""

    def records(self, new_key: Callable[[], int]) -> Iterator[Record]:
        """Yield the records, and update the instance from them."""
        for role in self.part.born:
            self.instance.keys[role] = new_key()
        self.tasks = dict(self.instance.tasks)
        self.keys |= self.definitions
        for key, role in self.part.roles.items():
            if role in self.instance.keys:
                self.keys[key] = self.instance.keys[role]
        self._replace_variables()
        for recorded in self.part.records:
            yield self._record(recorded)
            follow(recorded, self.instance.opened, self.part.roles)
        self.instance.last = self.part.number

    def _replace_variables(self) -> None:
        """Find the values that change with the command's variables."""
        variables = self.body.get("variables") or {}
        for record in self.part.records:
            name = record["value"].get("name")
            if record["valueType"] == "VARIABLE" and name in variables:
                before = json.loads(record["value"]["value"])
                self.replaced[record["value"]["value"]] = compact(variables[name])
                if self.part.verb == "create" and isinstance(before, str):
                    self.instance.words[before] = variables[name]

    def _record(self, recorded: Record) -> Record:
        key, value = recorded["key"], recorded["value"]
        later = recorded["timestamp"] - self.part.event["timestamp"]
        record = recorded | {
            "partitionId": self.partition,
            "position": recorded["position"] + self.moved,
            "timestamp": self.now + max(0, later),
            "key": self.keys[key] if is_key(key) else key,
            "value": self._field("", value),
        }
        if recorded["sourceRecordPosition"] > 0:
            record["sourceRecordPosition"] += self.moved
        self._as_commanded(recorded, record["value"])
        for name in KEPT_TIMES & value.keys():
            if isinstance(now := record["value"][name], int):
                kept = self.instance.times.setdefault((record["key"], name), now)
                record["value"][name] = kept
        kind = recorded["recordType"], recorded["valueType"]
        if kind == ("EVENT", "USER_TASK"):
            self.instance.tasks[record["key"]] = record["value"]
        elif kind == ("EVENT", "JOB"):
            self.instance.jobs[record["key"]] = record
        return record

    def _field(self, name: str, value: Any) -> Any:
        """Return a recorded field with the values of this play."""
        if isinstance(value, dict):
            return {each: self._field(each, within) for each, within in value.items()}
        if isinstance(value, list):
            return [self._field(name, each) for each in value]
        if isinstance(value, str):
            if value.isdecimal() and is_key(int(value)):
                return str(self.keys.get(int(value), value))
            return self.instance.words.get(value, value) if name in WORDS else value
        if is_key(value):
            return self.keys.get(value, value)
        is_time = name in TIMES | KEPT_TIMES and value > 0
        return value + self.now - self.part.event["timestamp"] if is_time else value

    def _as_commanded(self, recorded: Record, value: dict[str, Any]) -> None:
        """Apply this command and earlier ones to a record's *value*."""
        for name in INSTANCE_FIELDS:
            if self.instance.body.get(name) is not None and name in value:
                value[name] = self.instance.body[name]
        if recorded["valueType"] == "VARIABLE":
            value["value"] = self.replaced.get(value["value"], value["value"])
        if there := value.get("variables"):
            given = self.body.get("variables") or {}
            there |= {name: given[name] for name in there.keys() & given.keys()}
        if recorded["valueType"] == "USER_TASK":
            self._as_the_task(recorded, value)

    def _as_the_task(self, recorded: Record, value: dict[str, Any]) -> None:
        """Keep the fields of a user task that the part doesn't change."""
        before = self.part.tasks.get(recorded["key"], {})
        now = self.tasks.get(self.keys[recorded["key"]], {})
        changes = self.body.get("changes") or {}
        for name in TASK_FIELDS:
            if name not in value:
                continue
            if recorded["value"][name] != before.get(name):
                value[name] = changes.get(name, value[name])
            elif name in changes and not recorded["intent"].endswith("DENIED"):
                value[name] = changes[name]
            elif name in now:
                value[name] = now[name]
        if value["action"] and self.body.get("action"):
            value["action"] = self.body["action"]
