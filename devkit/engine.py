"""
The partitions of the recorded engine, which grow when recorded parts are played.

Every play is an entry in the journal. The same journal always gives the same logs, so a
killed engine continues where it stopped.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devkit.playing import Body, Instance, Play
from devkit.stories import (
    PARTITION_BITS,
    RECORDINGS,
    VERSIONS,
    CannotStartError,
    Part,
    Record,
    Role,
    recording,
)

DEFAULT = "default"
# Kinds of keys that commands accept.
NAMED = frozenset({"PROCESS_INSTANCE", "USER_TASK", "JOB", "INCIDENT"})


class RefusedError(Exception):
    """A refused command, with the status of its answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def recorded_version(version: str) -> str:
    """Return the version of the recording to play; 8.10 uses the recording of 8.9."""
    minor = ".".join(version.split(".")[:2])
    for each in VERSIONS:
        if each.startswith(f"{'8.9' if minor == '8.10' else minor}."):
            return each
    raise CannotStartError(
        f"There is no recording of {version}: use 8.6, 8.8, 8.9 or 8.10 (which plays "
        "the records of 8.9), or set a directory with --recordings"
    )


class Log:
    """The records of one partition, oldest first."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.news = asyncio.Event()
        """Wakes the exporters: the log has grown, or their state has changed."""

    def append(self, records: Iterable[Record]) -> None:
        """Add *records*."""
        self.records += records
        self.news.set()


@dataclass
class Partition:
    """One partition of a physical tenant: its log and its instances."""

    number: int
    tenant: str = DEFAULT
    log: Log = field(default_factory=Log)
    instances: dict[int, Instance] = field(default_factory=dict)
    """The running instances by each of their keys that commands accept."""
    position: int = 0
    counter: int = 0

    def new_key(self) -> int:
        """Return an unused key."""
        self.counter += 1
        return (self.number << PARTITION_BITS) + self.counter

    def running(self) -> list[Instance]:
        """Return the running instances, oldest first."""
        return list({id(each): each for each in self.instances.values()}.values())


class Engine:
    """All partitions of all physical tenants."""

    def __init__(
        self,
        version: str,
        *,
        partitions: int = 1,
        tenants: Iterable[str] = (DEFAULT,),
        recordings: Path | None = None,
        now_ms: Callable[[], int],
    ) -> None:
        """Play *version* from *recordings*, which default to ours."""
        self.version, self.now_ms = version, now_ms
        directory = recordings or RECORDINGS / recorded_version(version)
        self.recording = recording(directory)
        if not self.recording.records:
            raise CannotStartError(f"There is no recording in {directory}")
        self._journal: Path | None = None
        self.definitions: dict[str, dict[int, int]] = {}
        """The new key of each recorded definition, by physical tenant."""
        self.partitions: dict[tuple[str, int], Partition] = {}
        for tenant in tenants:
            self.definitions[tenant] = {}
            for number in range(1, partitions + 1):
                self.partitions[tenant, number] = Partition(number, tenant)

    def open(self, path: Path) -> None:
        """Replay the journal at *path*, and append to it from now on."""
        self._journal = path
        path.touch()
        # A kill can leave an incomplete last line.
        whole, newline, _ = path.read_bytes().rpartition(b"\n")
        path.write_bytes(whole + newline)
        for line in whole.splitlines():
            self._replay(json.loads(line))

    def play(
        self, partition: Partition, part: Part, instance: Instance | None, body: Body
    ) -> Instance:
        """Play *part* in *instance* or in a new one; return the instance."""
        entry = {
            "at": [partition.tenant, partition.number],
            "part": part.number,
            "instance": instance.key if instance else 0,
            "body": body,
            "now": self.now_ms(),
            "of": self.recording.version,
        }
        played = self._replay(entry)
        if self._journal:
            with self._journal.open("ab") as journal:
                journal.write(json.dumps(entry).encode() + b"\n")
        return played

    def _replay(self, entry: Mapping[str, Any]) -> Instance:
        known, (tenant, number) = entry["of"], entry["at"]
        if known != self.recording.version or (tenant, number) not in self.partitions:
            raise CannotStartError(
                f"The journal holds recordings of {known} in partition {number} of "
                f"{tenant}, which this engine doesn't play"
            )
        partition = self.partitions[tenant, number]
        part = self.recording.parts[entry["part"]]
        definitions = self.definitions[tenant]
        if part.verb == "deploy":
            for record in part.records:
                if record["key"] in self.recording.definitions:
                    definitions.setdefault(record["key"], partition.new_key())
        body, now = entry["body"], entry["now"]
        instance = partition.instances.get(entry["instance"])
        instance = instance or Instance(0, part.model, body)
        moved = partition.position + 1 - part.first
        play = Play(part, instance, body, now, number, moved, definitions)
        records = list(play.records(partition.new_key))
        partition.position = records[-1]["position"]
        self._name(partition, instance, part)
        for recorded, record in zip(part.records, records, strict=True):
            if (record["valueType"], record["intent"]) == ("TIMER", "CREATED"):
                instance.due[part.roles[recorded["key"]]] = record["value"]["dueDate"]
        if part.verb == "fail job" and part.subject:
            instance.due.pop(part.subject, None)
        partition.log.append(records)
        return instance

    def _name(self, partition: Partition, instance: Instance, part: Part) -> None:
        """Register the keys that *part* created; forget an ended instance."""
        root = Role("PROCESS_INSTANCE", instance.model, 0)
        instance.key = instance.keys.get(root, 0)
        for role in part.born:
            if role.kind in NAMED:
                partition.instances[instance.keys[role]] = instance
        if not instance.opened:
            for key in instance.keys.values():
                partition.instances.pop(key, None)

    def tick(self) -> None:
        """Play all due timers, and time out the jobs of slow workers."""
        for partition in self.partitions.values():
            for instance in partition.running():
                for role in sorted(instance.due, key=instance.due.__getitem__):
                    if instance.due[role] <= self.now_ms():
                        del instance.due[role]
                        self._time_out(partition, instance, role)

    def _time_out(self, partition: Partition, instance: Instance, role: Role) -> None:
        verb = "timer" if role.kind == "TIMER" else "time out job"
        for part in self.parts(instance, verb, role)[:1]:
            self.play(partition, part, instance, {})

    def parts(
        self, instance: Instance, verb: str, subject: Role | None = None
    ) -> list[Part]:
        """Return the parts for *verb* that fit *instance*, the next one first."""
        parts = [each for each in self.recording.parts if each.verb == verb]
        found = [x for x in parts if instance.fits(x) and subject in (None, x.subject)]
        return sorted(found, key=lambda each: each.number <= instance.last)
