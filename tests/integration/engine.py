"""An engine with the exporter and a backend: its commands, and the arrived events."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from devkit.arguments import version_of
from devkit.client import CommandError
from devkit.stories import RECORDINGS, recording
from devkit.waiting import eventually

# Long enough for a loaded machine with two cores.
PATIENCE = 40

TASK = "fx-ext"
"""A process with one user task."""

LIFE = ["CREATED", "ASSIGNED", "COMPLETED"]
CREATED = LIFE[:1]

# Models are the same in all versions; this recording has most of them.
MODELS = {
    process: {Path(name).name: content for name, content in files.items()}
    for process, files in recording(RECORDINGS / "8.8.21").deployments.items()
}
MODELS["everything"] = {
    path.name: path.read_bytes()
    for path in Path(__file__).with_name("models").iterdir()
}
"""A process of this repository that was never recorded."""


class Engine:
    """A running broker, and the backend that gets its events."""

    def __init__(self, broker, client, backend, log, version):
        """Keep the parts; *log* records what another exporter sends."""
        self.broker, self.client = broker, client
        self.backend, self.log = backend, log
        self.version = version_of(version)
        self.definitions = {}
        """The key of every deployed process, by its id."""

    async def deploy(self, process):
        """Deploy the files of *process*; return the engine's answer for each."""
        answer = await self.client.deploy(MODELS[process])
        parts = [part or {} for each in answer["deployments"] for part in each.values()]
        for part in parts:
            if "processDefinitionKey" in part:
                key = part["processDefinitionKey"]
                self.definitions[part["processDefinitionId"]] = key
        return {each["resourceName"]: each for each in parts if "resourceName" in each}

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
        """Complete these tasks in the background during the block."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _work(self):
        """Assign and complete every task whose event arrives, until cancelled."""
        done = set()
        while True:
            arrival = await self.backend.news.get()
            # A repeated event may arrive after the task is completed.
            if arrival.identity not in done:
                done.add(arrival.identity)
                await self._go_on(arrival.task, arrival.intent)

    async def _go_on(self, task, intent):
        try:
            if intent == "CREATED":
                # As recorded: the task is claimed from 8.8 on.
                await self.client.assign(task, "ann", override=self.version < (8, 8))
            elif intent == "ASSIGNED":
                await self.client.complete(task)
        except CommandError as error:
            if error.status != 404:
                raise

    def events_of(self, instance):
        """Return the arrivals of one instance, without repeats."""
        arrivals = (each for each in self.backend.arrivals if each.instance == instance)
        return list({each.identity: each for each in arrivals}.values())

    def histories(self, instances):
        """Return the arrived intents of each instance."""
        return {key: [each.intent for each in self.events_of(key)] for key in instances}

    def repeats(self):
        """Return the number of repeated arrivals."""
        arrivals = self.backend.arrivals
        return len(arrivals) - len({each.identity for each in arrivals})

    async def event(self, instance, intent):
        """Wait for the instance's first event with *intent*, and return it."""

        def found():
            return [each for each in self.events_of(instance) if each.intent == intent]

        return (await eventually(found, within=PATIENCE))[0]

    async def all_arrived(self, instances, history):
        """Wait until each instance has as many events as *history*."""

        def arrived():
            events = {(each.instance, each.identity) for each in self.backend.arrivals}
            counts = Counter(instance for instance, _ in events)
            return all(counts[each] == len(history) for each in instances)

        await eventually(arrived, within=PATIENCE)
