"""Every kind of event arrives once, in order, and equal to the engine's log."""

import json
from contextlib import suppress
from functools import cache
from itertools import groupby, zip_longest

import jsonschema
import pytest

from devkit.client import CommandError
from exporter.base import codec
from exporter.events import CATALOG, Mapper, Selection
from exporter.events import EVERYTHING as ALL
from scripts.docs import DOCS
from tests.conftest import eventually
from tests.integration.engine import MODELS, PATIENCE
from tests.integration.stories import EVERYTHING, STORIES

KINDS = {each.name_of(kind) for each in CATALOG for kind in each.kinds}
# The command of 8.10 to suspend an instance isn't known yet.
KINDS -= {"process-instance.suspended", "process-instance.resumed"}

# Recordings of these versions lack these events; only a real engine shows them.
NEVER_RECORDED = {"decision.failed", "escalation.escalated", "timer.canceled"}
NEVER_RECORDED |= {"job.updated", "variable.updated"}
NOT_RECORDED = {
    "8.6": {f"user-task.{x}-denied" for x in ("assignment", "update", "completion")},
    "8.8": {"job.canceled", "message.expired"},
}
NOT_RECORDED["8.7"] = NOT_RECORDED["8.6"]
NOT_RECORDED["8.9"] = NOT_RECORDED["8.10"] = NOT_RECORDED["8.8"] | {
    *("job.error-thrown", "job.timed-out", "user-task.migrated"),
    *("message-subscription.created", "message-subscription.correlated"),
    *("message.published", "signal.broadcasted", "timer.created", "timer.triggered"),
}
OVER_GRPC = {"job.retries-updated"}  # REST updates retries like other fields


@pytest.fixture
async def engine(start, each_version):
    """Return an engine that exports all records, with all events selected."""
    options = {
        "version": each_version,
        "environment": {"APP_INTEGRATIONS_EVENTS": ALL},
        "value_types": {each.value_type for each in CATALOG},
    }
    async with start(**options) as engine:
        for process in MODELS:
            with suppress(CommandError):  # some aren't recorded
                await engine.deploy(process)
        yield engine


async def test_every_event(engine, place, each_version):
    """Each event matches its schema and the log, and no event is missing."""
    minor = each_version.rpartition(".")[0]
    expected = {
        await story.play(engine): story.events
        for story in STORIES
        if minor in story.recorded.split()
        or (place.is_real and engine.version >= story.since_version)
    }

    kinds = await checked(engine, expected)
    recorded = KINDS - NEVER_RECORDED - NOT_RECORDED[minor]
    assert kinds == recorded or (place.is_real and kinds >= recorded - OVER_GRPC)


@pytest.mark.real_engine(f"no recording has {', '.join(sorted(NEVER_RECORDED))}")
async def test_kinds_that_were_never_recorded(engine):
    """Events of kinds without a recording match their schema and the log, too."""
    instance = await EVERYTHING.play(engine)

    kinds = await checked(engine, {instance: EVERYTHING.events})
    assert kinds >= NEVER_RECORDED | {"message.expired"}


async def checked(engine, stories):
    """Wait for the events of *stories*, by instance; check all, and return kinds."""
    for instance, story in stories.items():
        await eventually(
            lambda i=instance, s=story: has_arrived(engine, i, s), within=PATIENCE
        )
    expected, events = await eventually(lambda: settled(engine), within=PATIENCE)
    assert events == {name: codec.decode(e.body) for name, e in expected.items()}
    for identity, event in events.items():
        schema(expected[identity].kind).validate(event)
    arrivals = [x for x in engine.backend.arrivals if "processInstanceKey" in x.event]
    arrivals.sort(key=lambda each: each.instance)
    for _, group in groupby(arrivals, key=lambda each: each.instance):
        positions = [each.position for each in group]
        assert positions == sorted(positions)
    return {each.kind for each in expected.values()}


@cache
def schema(kind):
    """Return the validator for events of *kind*."""
    schemas = json.loads((DOCS / "schemas.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schemas["$defs"][kind])


def owed(engine):
    """Return the events of all records in the engine's log, by identity."""
    mapper = Mapper({"default": Selection(ALL)})
    found = (mapper.event(each.line) for each in engine.log.records)
    return {event.identity: event for event in found if event}


def settled(engine):
    """Return expected and arrived events, or False if identities are missing."""
    expected = owed(engine)
    arrived = {each.identity: each.event for each in engine.backend.arrivals}
    return expected.keys() == arrived.keys() and (expected, arrived)


def has_arrived(engine, instance, story):
    """Return whether the kinds of an instance's events are those of its *story*."""
    arrivals = engine.backend.arrivals
    own = [x for x in arrivals if x.event.get("processInstanceKey") == instance]
    expected = owed(engine)
    kinds = [expected[x.identity].kind if x.identity in expected else "" for x in own]
    kinds = [each for each in kinds if not each.startswith(("step.", "variable."))]
    words = [x for x in story.split() if engine.version >= (8, 8) or x[0] != "+"]
    pairs = zip_longest(kinds, words, fillvalue="")
    return all(kind and kind in word.lstrip("+").split("|") for kind, word in pairs)
