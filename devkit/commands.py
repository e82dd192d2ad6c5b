"""The commands of the recorded engine: each plays a part, or is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path

from devkit.engine import DEFAULT, Engine, Partition, RefusedError
from devkit.playing import Body, Instance
from devkit.stories import PARTITION_BITS, Part, Record, Role


class Commands:
    """What people and workers ask of an engine."""

    def __init__(self, engine: Engine, tenant: str = DEFAULT) -> None:
        """Give every command to the partitions of the physical *tenant*."""
        self.engine = engine
        self.tenant = tenant
        self._turn = 0

    def deploy(self, files: Mapping[str, bytes]) -> list[Record]:
        """Deploy files that were recorded, by name; return the events of it."""
        given = {Path(name).name: content for name, content in files.items()}
        recording = self.engine.recording
        deployments = {
            part.number: {Path(name).name: each for name, each in found.items()}
            for part in recording.parts
            if part.verb == "deploy" and (found := recording.files(part))
        }
        number = next((x for x, found in deployments.items() if found == given), None)
        if number is None:
            there = "; ".join(", ".join(each) for each in deployments.values())
            raise RefusedError(
                400, f"The recording deploys these together, as they were: {there}"
            )
        part = recording.parts[number]
        known = self.engine.definitions[self.tenant]
        if part.event["key"] not in known:
            self.engine.play(self._next(1), part, None, {})
        return [
            record | {"key": known[record["key"]]}
            for record in part.records
            if record["key"] in known
        ]

    def create(self, model: str, body: Body, *, partition: int = 0) -> Instance:
        """Start an instance of *model* in *partition*, by default in turn."""
        models = self.engine.recording.models
        if model not in map(models.get, self.engine.definitions[self.tenant]):
            raise RefusedError(404, f"No process {model} is deployed")
        new = Instance(0, model)
        parts = self.engine.parts(new, "create")
        part = self._choose("create", new, parts, body, lambda _: True)
        return self.engine.play(self._next(partition), part, None, body)

    def model_of(self, key: int) -> str:
        """Return the id of the process that was deployed with this *key*."""
        for recorded, now in self.engine.definitions[self.tenant].items():
            if now == key:
                return str(self.engine.recording.models[recorded])
        raise RefusedError(404, f"No process with the key {key} is deployed")

    def find(self, key: int) -> tuple[Partition, Instance, Role]:
        """Return where *key* is something open, and what it is."""
        number = self.tenant, key >> PARTITION_BITS
        partition = self.engine.partitions.get(number)
        instance = partition.instances.get(key) if partition else None
        role = instance.role(key) if instance else None
        if not (partition and instance and role in instance.opened):
            raise RefusedError(404, f"Nothing with the key {key} is open")
        return partition, instance, role

    def command(
        self,
        verb: str,
        key: int,
        body: Body,
        suits: Callable[[Part], bool] = lambda _: True,
    ) -> Instance:
        """Do *verb* to what has this *key*, by a part that *suits*."""
        partition, instance, role = self.find(key)
        whole = verb in {"cancel", "migrate", "set variables"}
        parts = self.engine.parts(instance, verb, None if whole else role)
        part = self._choose(verb, instance, parts, body, suits)
        return self.engine.play(partition, part, instance, body)

    def publish(self, verb: str, name: str, body: Body) -> list[Instance]:
        """Play a message for one instance that waits for it, or a signal for all."""
        found: list[Instance] = []
        for partition in self.engine.of(self.tenant):
            for instance in partition.running():
                for part in self.engine.parts(instance, verb):
                    if part.name == name and _correlates(part, instance, body):
                        found.append(self.engine.play(partition, part, instance, body))
                        break
                if found and verb == "message":
                    return found
        for part in self.engine.recording.parts:
            if (part.verb, part.name) == (verb, name) and not part.before:
                return [*found, self.engine.play(self._next(), part, None, body)]
        return found

    def activate(self, job_type: str, most: int, timeout_ms: int) -> list[Record]:
        """Give a worker *most* jobs of a type; return the records that made them."""
        jobs: list[Record] = []
        for partition in self.engine.of(self.tenant):
            for instance in partition.running():
                for role in sorted(instance.opened):
                    key = instance.keys[role] if _is_job(role, job_type) else 0
                    if key and key not in partition.workers and len(jobs) < most:
                        self._give(partition, instance, role, timeout_ms)
                        jobs.append(instance.jobs[key])
        return jobs

    def _give(
        self, partition: Partition, instance: Instance, role: Role, timeout_ms: int
    ) -> None:
        engine, key = self.engine, instance.keys[role]
        for part in engine.parts(instance, "activate", role)[:1]:
            engine.play(partition, part, instance, {})
        partition.workers[key] = due = engine.now_ms() + timeout_ms
        engine.later(partition, due, instance, key, "time out job")

    def _choose(
        self,
        verb: str,
        instance: Instance,
        parts: list[Part],
        body: Body,
        suits: Callable[[Part], bool],
    ) -> Part:
        """Return the first of *parts* that suits, or refuse and name what there is."""
        given = set(body.get("variables") or ())
        for part in parts:
            if suits(part) and given <= part.variables:
                return part
        there = sorted(
            f"{part.verb} {part.name} (variables: {', '.join(sorted(part.variables))})"
            for part in self.engine.recording.parts
            if instance.fits(part)
        )
        raise RefusedError(
            400,
            f"The recording has no such '{verb}' in this state of {instance.model}, "
            f"but {'; '.join(dict.fromkeys(there)) or 'nothing'}",
        )

    def _next(self, number: int = 0) -> Partition:
        partitions = self.engine.of(self.tenant)
        if not number:
            number = self._turn % len(partitions) + 1
            self._turn += 1
        return partitions[number - 1]


def _correlates(part: Part, instance: Instance, body: Body) -> bool:
    recorded = part.event["value"].get("correlationKey")
    expected = instance.words.get(recorded, recorded)
    return bool(body.get("correlationKey", expected) == expected)


def _is_job(role: Role, job_type: str) -> bool:
    return role.kind == "JOB" and role.name.partition("/")[2] == job_type
