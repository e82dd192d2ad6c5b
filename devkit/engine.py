"""
The partitions of the recorded engine, which grow when recorded parts are played.

Every play is an entry in the journal. The same journal always gives the same logs, so a
killed engine continues where it stopped.
"""

import asyncio
import fcntl
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
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
Entry = Mapping[str, Any]
"""One play, as it is stored in the journal."""

# Kinds of keys that commands accept.
NAMED = frozenset({"PROCESS_INSTANCE", "USER_TASK", "JOB", "INCIDENT"})


class RefusedError(Exception):
    """A refused command, with the status of its answer."""

    def __init__(self, status: int, reason: str) -> None:
        """Keep the *status* of the answer and the *reason*."""
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


class Journal:
    """A locked file with one entry per line."""

    def __init__(self, path: Path) -> None:
        """Open or create *path*; raise `BlockingIOError` if another engine has it."""
        self._file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and release its lock."""
        self._file.close()

    def entries(self) -> Iterator[Entry]:
        """Yield all entries; remove an incomplete last line, which a kill can leave."""
        self._file.seek(0)
        whole, newline, _ = self._file.read().rpartition(b"\n")
        self._file.truncate(len(whole + newline))
        yield from map(json.loads, whole.splitlines())

    def append(self, entry: Entry) -> None:
        """Write *entry* so that it survives a kill of this process."""
        self._file.write(json.dumps(entry).encode() + b"\n")


class Log:
    """The records of one partition, oldest first."""

    def __init__(self) -> None:
        """Create an empty log."""
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
    timers: list[tuple[int, int, Instance, Role, str]] = field(default_factory=list)
    """A due time, a unique number, and what to play then."""
    workers: dict[int, int] = field(default_factory=dict)
    """The time when a worker's job times out, by the job's key."""

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
        self._numbers = count()
        self._file: Journal | None = None
        self.journal: list[Entry] = []
        self.definitions: dict[str, dict[int, int]] = {}
        """The new key of each recorded definition, by physical tenant."""
        self.partitions: dict[tuple[str, int], Partition] = {}
        for tenant in tenants:
            self.definitions[tenant] = {}
            for number in range(1, partitions + 1):
                self.partitions[tenant, number] = Partition(number, tenant)

    def open(self, path: Path) -> None:
        """
        Replay the journal at *path*, and append to it from now on.

        Raise `BlockingIOError` if another engine has it open.
        """
        self._file = Journal(path)
        for entry in self._file.entries():
            self._replay(entry)

    def close(self) -> None:
        """Release the journal's file."""
        if self._file:
            self._file.close()

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
        if self._file:
            self._file.append(entry)
        return played

    def _replay(self, entry: Entry) -> Instance:
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
                due, role = record["value"]["dueDate"], part.roles[recorded["key"]]
                self.later(partition, due, instance, role, "timer")
        if part.subject in instance.keys and part.verb.endswith(("job", "error")):
            partition.workers.pop(instance.keys[part.subject], None)
        partition.log.append(records)
        self.journal.append(entry)
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

    def later(
        self, partition: Partition, due: int, instance: Instance, role: Role, verb: str
    ) -> None:
        """Play *verb* for *role* at the time *due*."""
        timer = due, next(self._numbers), instance, role, verb
        heapq.heappush(partition.timers, timer)

    def tick(self) -> None:
        """Play all due timers."""
        for partition in self.partitions.values():
            while partition.timers and partition.timers[0][0] <= self.now_ms():
                due, _, instance, role, verb = heapq.heappop(partition.timers)
                key = instance.keys[role]
                given_back = verb != "timer" and partition.workers.get(key) != due
                if role not in instance.opened or given_back:
                    continue
                partition.workers.pop(key, None)
                for part in self.parts(instance, verb, role)[:1]:
                    self.play(partition, part, instance, {})

    def parts(
        self, instance: Instance, verb: str, subject: Role | None = None
    ) -> list[Part]:
        """Return the parts for *verb* that fit *instance*, the next one first."""
        parts = [each for each in self.recording.parts if each.verb == verb]
        found = [x for x in parts if instance.fits(x) and subject in (None, x.subject)]
        return sorted(found, key=lambda each: each.number <= instance.last)
