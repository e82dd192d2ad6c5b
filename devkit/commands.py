"""The commands of the recorded engine: each plays a recorded part, or is refused."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

from devkit.engine import DEFAULT, Engine, Partition, RefusedError
from devkit.playing import Body, Instance
from devkit.stories import PARTITION_BITS, Part, Record, Role

OF_INSTANCES = {"cancel", "migrate", "set variables"}


class Commands:
    """The commands that people and workers send to an engine."""

    def __init__(self, engine: Engine, tenant: str = DEFAULT) -> None:
        """Send every command to the partitions of the physical *tenant*."""
        self.engine, self.tenant = engine, tenant
        every = engine.partitions.values()
        self._partitions = [each for each in every if each.tenant == tenant]
        self._turns = cycle(self._partitions)

    def deploy(self, files: Mapping[str, bytes]) -> list[Record]:
        """Deploy recorded *files*, by name; return the records of the deployment."""
        recording, known = self.engine.recording, self.engine.definitions[self.tenant]
        parts = [part for part in recording.parts if part.verb == "deploy"]
        names = [_by_name(recording.files(part)) for part in parts]
        given = _by_name(files)
        if not given or given not in names:
            there = "; ".join(", ".join(each) for each in names if each)
            raise RefusedError(
                400, f"Deploy the recorded files unchanged, and together: {there}"
            )
        part = parts[names.index(given)]
        if part.event["key"] not in known:
            self.engine.play(self._partitions[0], part, None, {})
        ours = [record for record in part.records if record["key"] in known]
        return [record | {"key": known[record["key"]]} for record in ours]

    def create(self, model: str, body: Body) -> Instance:
        """Start an instance of *model* in the next partition."""
        models = self.engine.recording.models
        if model not in map(models.get, self.engine.definitions[self.tenant]):
            raise RefusedError(404, f"No process {model} is deployed")
        part = self._choose("create", Instance(0, model), None, body)
        return self.engine.play(next(self._turns), part, None, body)

    def find(self, key: int) -> tuple[Partition, Instance, Role]:
        """Return partition, instance and role of *key*, which must be open."""
        partition = self.engine.partitions.get((self.tenant, key >> PARTITION_BITS))
        instance = partition.instances.get(key) if partition else None
        role = instance.role(key) if instance else None
        if not (partition and instance and role in instance.opened):
            raise RefusedError(404, f"The key {key} is unknown, or has ended")
        return partition, instance, role

    def command(self, verb: str, key: int, body: Body) -> Instance:
        """Apply *verb* to *key* by playing a recorded part that fits *body*."""
        partition, instance, role = self.find(key)
        subject = None if verb in OF_INSTANCES else role
        part = self._choose(verb, instance, subject, body)
        return self.engine.play(partition, part, instance, body)

    def publish(self, verb: str, name: str, body: Body) -> list[Instance]:
        """Play a message for one waiting instance, or a signal for all of them."""
        found: list[Instance] = []
        for partition in self._partitions:
            for instance in partition.running():
                for part in self.engine.parts(instance, verb):
                    if part.name == name and _correlates(part, instance, body):
                        found.append(self.engine.play(partition, part, instance, body))
                        break
                if found and verb == "message":
                    return found
        for part in self.engine.recording.parts:
            if (part.verb, part.name) == (verb, name) and not part.before:
                return [*found, self.engine.play(next(self._turns), part, None, body)]
        return found

    def activate(self, job_type: str, most: int, timeout_ms: int) -> list[Record]:
        """Activate at most *most* jobs of a type; return the latest record of each."""
        engine, jobs = self.engine, list[Record]()
        for partition in self._partitions:
            for instance in partition.running():
                for role in sorted(instance.opened - instance.due.keys()):
                    is_job = role.kind == "JOB" and role.name.endswith(f"/{job_type}")
                    if not is_job or len(jobs) >= most:
                        continue
                    for part in engine.parts(instance, "activate", role)[:1]:
                        engine.play(partition, part, instance, {})
                    instance.due[role] = engine.now_ms() + timeout_ms
                    jobs.append(instance.jobs[instance.keys[role]])
        return jobs

    def _choose(
        self, verb: str, instance: Instance, subject: Role | None, body: Body
    ) -> Part:
        """Return the first part that fits; if none does, refuse and list what fits."""
        given = set(body.get("variables") or ())
        for part in self.engine.parts(instance, verb, subject):
            if _suits(part, body) and given <= part.variables:
                return part
        there = sorted(
            f"{part.verb} {part.name} (variables: {', '.join(sorted(part.variables))})"
            for part in self.engine.recording.parts
            if instance.fits(part)
        )
        raise RefusedError(
            400,
            f"The recording has no such '{verb}' in this state of {instance.model}. "
            f"It has: {'; '.join(dict.fromkeys(there)) or 'nothing'}",
        )


def _by_name(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {Path(name).name: content for name, content in files.items()}


def _suits(part: Part, body: Body) -> bool:
    """Return whether *part* was recorded with the same fields as *body*."""
    value = part.event["value"]
    if part.verb == "update" and "changes" in body:
        return set(value["changedAttributes"]) == set(body["changes"])
    if part.verb == "fail job":
        return bool((value["retries"] > 0) is (body.get("retries", 0) > 0))
    return part.verb != "throw error" or value["errorCode"] == body.get("errorCode")


def _correlates(part: Part, instance: Instance, body: Body) -> bool:
    recorded = part.event["value"].get("correlationKey")
    expected = instance.words.get(recorded, recorded)
    return bool(body.get("correlationKey", expected) == expected)
