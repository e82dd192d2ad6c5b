"""
People who work on user tasks, and what the backend was told about them.

They learn of their tasks from the backend, as real ones do: an event that is lost
leaves a task undone, and the test waits in vain.
"""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import exporter.demo
from exporter.demo.errors import EngineError
from tests.conftest import eventually

MODELS = Path(__file__).parent / "models"
REVIEW = Path(exporter.demo.__file__).parent / "data" / "review.bpmn"

APPROVAL = MODELS / "approval.bpmn"
VARIABLES = {
    "assignee": "demo",
    "groups": ["sales", "größte Gruppe"],
    "users": ["ann", "日本語"],
    "due": "2026-12-01T10:00:00Z",
    "followUp": "2026-11-30T10:00:00+01:00",
    "priority": 75,
}

LIFE = ["CREATED", "ASSIGNED", "COMPLETED"]

# On a loaded machine with two cores; what is lost would not come in an hour.
PATIENCE = 40


class Office:
    """An engine, the backend that hears of it, and the people in between."""

    def __init__(self, engine, backend):
        """Give commands to *engine*, and believe what *backend* was told."""
        self.engine = engine
        self.backend = backend

    async def deploy(self, *paths):
        """Deploy models; return the engine's answer for each, by the file's name."""
        answer = await self.engine.deploy(
            {each.name: each.read_bytes() for each in paths}
        )
        parts = [part or {} for each in answer["deployments"] for part in each.values()]
        # A decision names no file: the requirements that it comes with do.
        return {part["resourceName"]: part for part in parts if "resourceName" in part}

    async def review(self, count):
        """Start *count* instances of the demo's process at once; return their keys."""
        definition = (await self.deploy(REVIEW))[REVIEW.name]["processDefinitionKey"]
        started = await asyncio.gather(
            *(self.engine.create_instance(definition) for _ in range(count))
        )
        return [str(each["processInstanceKey"]) for each in started]

    @asynccontextmanager
    async def at_work(self):
        """Let people work during the block; if they fail, so does the test."""
        work = asyncio.create_task(self.work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def work(self):
        """Take every task that appears, and complete every one taken; never end."""
        done = set()
        while True:
            arrival = await self.backend.news.get()
            if arrival.identity in done:
                continue
            done.add(arrival.identity)
            try:
                await self.next_step(arrival)
            except EngineError as error:
                # A restarted broker also tells of tasks that earlier tests completed.
                if error.status != 404:
                    raise

    async def next_step(self, arrival):
        """Assign what is created, and complete what is assigned."""
        if arrival.intent == "CREATED":
            await self.engine.assign(arrival.task, "ann")
        elif arrival.intent == "ASSIGNED":
            await self.engine.complete(arrival.task)

    def told(self, instance):
        """Return the events of one instance as they arrived, repeats left out."""
        arrivals = (each for each in self.backend.arrivals if each.instance == instance)
        return list({each.identity: each for each in arrivals}.values())

    def histories(self, instances):
        """Return what happened in each instance, as the backend was told."""
        return {
            instance: [arrival.intent for arrival in self.told(instance)]
            for instance in instances
        }

    def identities(self, instances):
        """Return the ids of all events of *instances*, repeats included."""
        return [
            each.identity
            for each in self.backend.arrivals
            if each.instance in instances
        ]

    async def event(self, instance, intent, *, count=1):
        """Wait for the *count*-th event of this kind in the instance, and return it."""

        def found():
            told = [each for each in self.told(instance) if each.intent == intent]
            return told[count - 1 :]

        return (await eventually(found, within=PATIENCE))[0]

    async def all_told(self, instances, history):
        """Wait until as much was told of each instance as *history* holds."""
        expected = len(instances) * len(history)
        await eventually(
            lambda: len(set(self.identities(instances))) >= expected, within=PATIENCE
        )
