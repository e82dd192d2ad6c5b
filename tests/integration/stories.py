"""Play the stories of stories.yaml in a recorded or real engine."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from devkit.client import CommandError
from devkit.waiting import eventually
from tests.integration.engine import PATIENCE


@dataclass(frozen=True)
class Story:
    """The steps in one instance, and the kinds of its events in order."""

    process: str
    events: str
    recorded: str
    since: float = 8.6
    variables: dict[str, Any] | None = field(default_factory=dict)
    """None if no command starts the instance."""
    steps: list[Any] = field(default_factory=list)

    @property
    def since_version(self):
        """The first version that can play the story."""
        return tuple(map(int, str(self.since).split(".")))

    async def play(self, engine):
        """Play the story; return the key of the instance."""
        play = Play(engine)
        if self.variables is not None:
            play.keys["instance"] = await engine.create(self.process, self.variables)
        for step in self.steps:
            await play.step(step)
        return play.keys["instance"]


class Play:
    """One instance, and the keys that were found in it."""

    def __init__(self, engine):
        self.engine = engine
        names = engine.definitions.items()
        self.keys = {name.replace("-", "_"): str(key) for name, key in names}

    async def step(self, step):
        """Do one step: a method, or a command with its body."""
        step = json.loads(Template(json.dumps(step)).substitute(self.keys))
        if isinstance(step, str):
            verb, *arguments = step.split()
            await getattr(self, verb)(*arguments)
        else:
            ((command, body),) = step.items()
            await self.engine.client.ask(*command.split(), json=body)

    async def found(self, value_type, intent, name="processInstanceKey", key=None):
        """Wait for an event of the instance, and keep its keys."""
        words = value_type, intent, key or self.keys["instance"]

        def events():
            seen = [each.event for each in self.engine.backend.arrivals]
            return [e for e in seen if (e["type"], e["intent"], e.get(name)) == words]

        event = (await eventually(events, within=PATIENCE))[-1]
        own = "processInstanceKey" if value_type == "PROCESS_INSTANCE" else "id"
        names = {"id": own, "task": "userTaskKey", "job": "jobKey"}
        self.keys |= {key: event[x] for key, x in names.items() if x in event}

    async def started(self, process):
        """Continue with the newest instance of *process*."""
        words = "PROCESS_INSTANCE", "ELEMENT_ACTIVATED", "processDefinitionId", process
        await self.found(*words)
        self.keys["instance"] = self.keys["id"]

    async def activated(self, job_type, timeout_ms=3_600_000):
        """Activate a job of the instance like a worker, and keep its key."""
        body = {"type": job_type, "timeout": int(timeout_ms), "maxJobsToActivate": 10}

        async def keys():
            answer = await self.engine.client.ask("POST", "jobs/activation", json=body)
            jobs, own = answer["jobs"], self.keys["instance"]
            ours = [each for each in jobs if str(each["processInstanceKey"]) == own]
            # The key's name and form changed with 8.8.
            return [str(each.get("jobKey") or each["key"]) for each in ours]

        self.keys["job"] = (await eventually(keys, within=PATIENCE))[0]

    async def decided(self):
        """Evaluate a decision that fails because two rules match."""
        question = {"decisionDefinitionId": "everything-unsure"}
        body = question | {"variables": {"amount": 250}}
        with suppress(CommandError):  # some versions answer with an error
            path = "decision-definitions/evaluation"
            await self.engine.client.ask("POST", path, json=body)


DATA = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
*STORIES, EVERYTHING = (Story(**each) for each in yaml.safe_load(DATA))
