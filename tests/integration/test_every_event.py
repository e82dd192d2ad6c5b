"""Every kind of event arrives as the engine's log has it, in order, and once."""

import json
from contextlib import suppress
from itertools import groupby, zip_longest

import jsonschema
import pytest

from devkit.client import CommandError
from exporter import codec
from exporter.events import CATALOG, Mapper, Selection
from exporter.events import EVERYTHING as ALL_EVENTS
from scripts.docs import DOCS
from tests.conftest import eventually
from tests.integration.engine import MODELS, PATIENCE
from tests.integration.stories import EVERYTHING, STORIES

KINDS = {each.name_of(kind) for each in CATALOG for kind in each.kinds}

# No recording of these versions has such events: only a real engine shows them.
NEVER_RECORDED = {"decision.failed", "escalation.escalated", "timer.canceled"}
NEVER_RECORDED |= {"job.updated", "variable.updated"}
DENIED = {f"user-task.{each}-denied" for each in ("assignment", "update", "completion")}
NOT_IN_MEMORY = {"job.canceled", "message.expired"}
OVER_GRPC = {"job.retries-updated"}  # REST updates retries like other fields
NOT_RECORDED = {
    "8.6": NEVER_RECORDED | DENIED,
    "8.8": NEVER_RECORDED | NOT_IN_MEMORY,
}
NOT_RECORDED["8.7"] = NOT_RECORDED["8.6"]
NOT_RECORDED["8.9"] = NOT_RECORDED["8.10"] = (
    NOT_RECORDED["8.8"]
    | {"job.error-thrown", "job.timed-out", "user-task.migrated"}
    | {"message-subscription.created", "message-subscription.correlated"}
    | {"message.published", "signal.broadcasted", "timer.created", "timer.triggered"}
)


@pytest.fixture
async def engine(start, each_version):
    """Return an engine all of whose records are sent, and all events wanted."""
    wanted = {"APP_INTEGRATIONS_EVENTS": ALL_EVENTS}
    types = {each.value_type for each in CATALOG}
    async with start(
        version=each_version, environment=wanted, value_types=types
    ) as engine:
        for process in MODELS:
            with suppress(CommandError):  # a recording lacks some
                await engine.deploy(process)
        yield engine


async def test_every_event(engine, place, each_version):
    """Each event is as its schema and the log say, and nothing done is missing."""
    minor = each_version.rpartition(".")[0]
    told = {
        await story.play(engine): story.told
        for story in STORIES.values()
        if minor in story.recorded.split()
        or (place.is_real and engine.version >= story.since)
    }

    recorded = KINDS - NOT_RECORDED[minor]
    kinds = await checked(engine, told)
    assert kinds == recorded or (place.is_real and kinds >= recorded - OVER_GRPC)


@pytest.mark.real_engine(f"no recording has {', '.join(sorted(NEVER_RECORDED))}")
async def test_kinds_that_were_never_recorded(engine):
    """The same is true of kinds that no recording has."""
    instance = await EVERYTHING.play(engine)

    kinds = await checked(engine, {instance: EVERYTHING.told})
    assert kinds >= NEVER_RECORDED | {"message.expired"}


async def checked(engine, stories):
    """Check all that arrived, once *stories* have by their instance; return kinds."""
    for instance, story in stories.items():
        await eventually(
            lambda i=instance, s=story: is_told(engine, i, s), within=PATIENCE
        )
    expected, events = await settled(engine)
    assert events == {name: codec.decode(e.body) for name, e in expected.items()}
    for identity, event in events.items():
        schema(expected[identity].kind).validate(event)
    in_order(engine.backend.arrivals)
    return {each.kind for each in expected.values()}


async def settled(engine):
    """Return events by identity: what the log says, and what arrived of it."""

    def same():
        arrived = {each.identity: each.event for each in engine.backend.arrivals}
        expected = mapped(engine.log)
        return expected.keys() == arrived.keys() and (expected, arrived)

    return await eventually(same, within=PATIENCE)


def mapped(log):
    """Return the event of every record in the log, by its identity."""
    mapper = Mapper({"default": Selection(ALL_EVENTS)})
    lines = [json.dumps(each.record).encode() for each in list(log.records)]
    events = [event for line in lines if (event := mapper.event(line))]
    return {event.identity: event for event in events}


def schema(kind):
    """Return what checks events of this *kind*."""
    text = (DOCS / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def in_order(arrivals):
    """Check that the arrivals of each process instance have the log's order."""
    of_instances = [each for each in arrivals if "processInstanceKey" in each.event]
    of_instances.sort(key=lambda each: each.instance)
    for _, group in groupby(of_instances, key=lambda each: each.instance):
        positions = [each.position for each in group]
        assert positions == sorted(positions)


def told_of(engine, instance):
    """Return the kinds of what arrived of an instance, without steps and variables."""
    events = (each.event for each in engine.backend.arrivals)
    kinds = [kind_of(e) for e in events if e.get("processInstanceKey") == instance]
    return [each for each in kinds if not each.startswith(("step.", "variable."))]


def kind_of(event):
    """Return the kind of *event*, by its words and what else distinguishes kinds."""
    words = event["type"], event["intent"]
    if words == ("USER_TASK", "ASSIGNED"):
        return "user-task.assigned" if event["assignee"] else "user-task.unassigned"
    whole = event.get("elementType") == "PROCESS"
    (name,) = (
        each.name_of(kind)
        for each in CATALOG
        for kind in each.kinds
        if (each.value_type, kind.intent) == words
        and (each.name == "process-instance") is whole
    )
    return name


def is_told(engine, instance, story):
    """Return whether what arrived of an instance is what its *story* tells."""
    words = [x for x in story.split() if engine.version >= (8, 8) or x[0] != "+"]
    kinds, choices = (
        told_of(engine, instance),
        [x.lstrip("+").split("|") for x in words],
    )
    return [k in c for k, c in zip_longest(kinds, choices, fillvalue=())] == [
        True
    ] * len(choices)
