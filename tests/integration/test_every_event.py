"""Everything that happens in a real engine is told of, as its log has it, in order."""

import asyncio
import json

import pytest

from exporter import codec
from exporter.demo.engine import Engine
from exporter.demo.service import Service
from exporter.distribution.broker_environment import broker_environment
from exporter.events import CATALOG, EVERYTHING, Mapper, Selection
from tests.conftest import eventually
from tests.integration.everything import (
    HAPPENED,
    as_it_was,
    in_order,
    live,
    schema,
)
from tests.integration.office import PATIENCE, Office
from tests.integration.recorder import Recorder

VALUE_TYPES = {each.value_type for each in CATALOG}


@pytest.fixture
def recorder():
    """Take what another exporter of the same broker sends."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
async def office(new_broker, tmp_path, backend, recorder):
    """Return a broker that sends everything, and a backend that wants it."""
    service = Service(tmp_path, backend.url, EVENTS=EVERYTHING)
    ours = broker_environment("8.6.0", service.ingest_url, value_types=VALUE_TYPES)
    other = broker_environment(
        "8.6.0", recorder.url, exporter_id="RECORDER", value_types=VALUE_TYPES
    )
    broker = new_broker(tmp_path / "broker", **ours, **other)
    await asyncio.gather(service.start(), broker.start())
    async with Engine(broker.rest_url) as engine:
        yield Office(engine, backend)
    await broker.stop()
    assert await service.stop() == 0


async def test_every_event(office, backend, recorder):
    """Each is as its schema and the log say, and all tell what was really done."""
    instances = await live(office)

    def told():
        return {each.identity: each.event for each in backend.arrivals}

    def settled():
        """Return what the log says, once all have ended in it and are told of."""
        expected = mapped(recorder)
        ended = {each.instance for each in expected.values() if each.kind in ENDED}
        return ended >= set(map(int, instances)) and expected.keys() <= told().keys()

    await eventually(settled, within=PATIENCE)
    expected, events = mapped(recorder), told()
    assert {each.kind for each in expected.values()} >= HAPPENED
    assert events == {name: codec.decode(e.body) for name, e in expected.items()}
    for identity, event in events.items():
        schema(expected[identity].kind).validate(event)
    in_order(backend.arrivals)
    as_it_was(list(events.values()), instances)


ENDED = ("process-instance.completed", "process-instance.terminated")


def mapped(recorder):
    """Return the event of every record in the log, by its identity."""
    mapper = Mapper({"default": Selection(EVERYTHING)})
    lines = [json.dumps(each.record).encode() for each in list(recorder.records)]
    events = [event for line in lines if (event := mapper.event(line))]
    return {event.identity: event for event in events}
