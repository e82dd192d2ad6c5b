"""The image tells of everything that happens in its broker, once and in order."""

from exporter.events import EVERYTHING
from tests.conftest import eventually
from tests.containers.offices import unstaffed
from tests.integration.everything import HAPPENED, in_order, kinds_of, live, schema
from tests.integration.office import PATIENCE


async def test_every_event(start, backend):
    """With everything selected the broker is told to send it, and it arrives."""
    selected = {"APP_INTEGRATIONS_EVENTS": EVERYTHING}
    async with (
        start(environment=selected) as broker,
        unstaffed(broker, backend) as office,
    ):
        await live(office)
        await eventually(lambda: told(backend) >= HAPPENED, within=PATIENCE)

    identities = [each.identity for each in backend.arrivals]
    assert len(identities) == len(set(identities))
    for arrival in backend.arrivals:
        for kind in kinds_of(arrival.event):
            schema(kind).validate(arrival.event)
    in_order(backend.arrivals)


def told(backend):
    """Return all that the backend was told of, by kind."""
    return set().union(*(kinds_of(each.event) for each in list(backend.arrivals)))
