"""An engine with the exporter and a backend: what is done there, and what arrived."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from devkit.client import CommandError
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually

# On a loaded machine with two cores; what is lost would not come in an hour.
PATIENCE = 40

TASK = "fx-ext"
"""A process with one user task."""

LIFE = ["CREATED", "ASSIGNED", "COMPLETED"]
CREATED = LIFE[:1]

# Models are the same in all versions; this one knows most of them.
MODELS = {
    process: {Path(name).name: content for name, content in files.items()}
    for process, files in recording(RECORDINGS / "8.8.21").deployments.items()
}


class Engine:
    """A broker that takes commands, and the backend that gets its events."""

    def __init__(self, broker, client, backend, log, version):
        """Keep what belongs together; *log* is what another exporter gets."""
        self.broker = broker
        self.client = client
        self.backend = backend
        self.log = log
        self.version = tuple(map(int, version.split(".")[:2]))

    async def deploy(self, process):
        """Deploy the recorded files of *process*; return the answer, by their names."""
        answer = await self.client.deploy(MODELS[process])
        parts = [part or {} for each in answer["deployments"] for part in each.values()]
        # A decision names no file: the requirements that it comes with do.
        return {part["resourceName"]: part for part in parts if "resourceName" in part}

    async def create(self, process, variables=None):
        """Start an instance of the deployed *process*; return its key."""
        answer = await self.client.create_instance(process, variables)
        return str(answer["processInstanceKey"])

    async def tasks(self, count):
        """Start *count* instances with a user task each; return their keys."""
        await self.deploy(TASK)
        return await asyncio.gather(*(self.create(TASK) for _ in range(count)))

    @asynccontextmanager
    async def at_work(self):
        """Let somebody work on tasks during the block; a failure fails the test."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _work(self):
        """Assign and complete every task that the backend learns of, for ever."""
        done = set()
        while True:
            arrival = await self.backend.news.get()
            if arrival.identity in done:
                continue
            done.add(arrival.identity)
            try:
                await self.go_on(arrival.task, arrival.intent)
            except CommandError as error:
                # A repeat of an event may come after the task is completed.
                if error.status != 404:
                    raise

    async def go_on(self, task, intent):
        """Take the step of a task's life that follows *intent*."""
        if intent == "CREATED":
            await self.assign(task)
        elif intent == "ASSIGNED":
            await self.client.complete(task)

    async def assign(self, task):
        """Assign a task of `tasks` as it was recorded: claimed from 8.8 on."""
        await self.client.assign(task, "ann", override=self.version < (8, 8))

    def told(self, instance):
        """Return the arrivals of one instance, without repeats."""
        arrivals = (each for each in self.backend.arrivals if each.instance == instance)
        return list({each.identity: each for each in arrivals}.values())

    def histories(self, instances):
        """Return the intents that arrived of each instance."""
        return {key: [each.intent for each in self.told(key)] for key in instances}

    def identities(self, instances):
        """Return the identities of all events of *instances*, with repeats."""
        arrivals = self.backend.arrivals
        return [each.identity for each in arrivals if each.instance in instances]

    async def event(self, instance, intent):
        """Wait for the first event with *intent* of the instance, and return it."""

        def found():
            return [each for each in self.told(instance) if each.intent == intent]

        return (await eventually(found, within=PATIENCE))[0]

    async def all_told(self, instances, history):
        """Return when as many events of each instance arrived as *history* has."""

        def arrived():
            all_ = {(each.instance, each.identity) for each in self.backend.arrivals}
            counts = Counter(instance for instance, _ in all_)
            return all(counts[each] == len(history) for each in instances)

        await eventually(arrived, within=PATIENCE)
