"""The image tells of everything that happens in its broker, once and in order."""

from exporter.events import EVERYTHING
from tests.conftest import eventually
from tests.containers.offices import unstaffed
from tests.integration.everything import (
    HAPPENED,
    as_it_was,
    in_order,
    kind_of,
    live,
    schema,
    told_of,
)
from tests.integration.office import PATIENCE


async def test_every_event(start, backend):
    """With everything selected the broker is told to send it, and it arrives."""
    selected = {"APP_INTEGRATIONS_EVENTS": EVERYTHING}
    async with (
        start(environment=selected) as broker,
        unstaffed(broker, backend) as office,
    ):
        instances = await live(office)
        await eventually(lambda: ended(backend, instances), within=PATIENCE)

    identities = [each.identity for each in backend.arrivals]
    assert len(identities) == len(set(identities))
    events = [each.event for each in backend.arrivals]
    for event in events:
        schema(kind_of(event)).validate(event)
    in_order(backend.arrivals)
    assert {kind_of(event) for event in events} >= HAPPENED
    as_it_was(events, instances)


def ended(backend, instances):
    """Whether the backend was told that all *instances* ended."""
    events = [each.event for each in list(backend.arrivals)]
    last = [told_of(events, each)[-1:] for each in instances]
    return all(
        each in (["process-instance.completed"], ["process-instance.terminated"])
        for each in last
    )
