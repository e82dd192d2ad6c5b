"""Whatever is stopped or killed, and in whatever order, no event is lost."""

import asyncio
from http import HTTPStatus

import pytest

from tests.conftest import eventually
from tests.containers.offices import staffed, unstaffed
from tests.integration.office import LIFE, PATIENCE


async def test_exporter_killed(start, backend):
    """An exporter killed beside its broker comes back, and goes on where it was."""
    async with start() as broker, staffed(broker, backend) as office:
        instances = await office.review(30)
        await eventually(lambda: len(backend.arrivals) >= 30, within=PATIENCE)
        before = broker.exporter()
        broker.run("bash", "-c", f"kill -KILL {before}")
        instances += await office.review(30)
        await office.all_told(instances, LIFE)

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)
        assert broker.exporter() not in (None, before)
        assert len(broker.said("ready")) == 2


async def test_stopped_and_started(start, backend, volume):
    """A stopped container has delivered what it accepted, or has it on its volume."""
    async with start(volume=volume) as broker:
        async with unstaffed(broker, backend) as office:
            told = await office.review(20)
            await office.all_told(told, LIFE[:1])
            backend.answer = HTTPStatus.SERVICE_UNAVAILABLE
            waiting = await office.review(20)
            await eventually(
                lambda: waiting_events(broker) == len(waiting), within=PATIENCE
            )
        await asyncio.to_thread(broker.docker.stop, timeout=30)
        ended = broker.docker.attrs["State"]

        backend.answer = HTTPStatus.OK
        broker.docker.start()
        await broker.ready()
        async with staffed(broker, backend) as office:
            await office.all_told(waiting, LIFE)

            assert office.histories(waiting) == dict.fromkeys(waiting, LIFE)
            assert ended["ExitCode"] in (0, 143)
            assert broker.said("stopped")[-1]["waiting_events"] == len(waiting)
            identities = office.identities(waiting)
            assert len(identities) == len(set(identities))


@pytest.mark.parametrize("same", [True, False], ids=["started again", "a new one"])
async def test_container_killed(start, backend, volume, same):
    """A container killed at once, even one that is removed, loses nothing accepted."""
    backend.answer = HTTPStatus.SERVICE_UNAVAILABLE
    async with start(volume=volume) as broker:
        async with unstaffed(broker, backend) as office:
            instances = await office.review(20)
            await eventually(
                lambda: waiting_events(broker) == len(instances), within=PATIENCE
            )
        broker.docker.kill()
        backend.answer = HTTPStatus.OK
        if same:
            broker.docker.start()
            await arrives(broker, backend, instances)
    if not same:
        async with start(volume=volume) as broker:
            await arrives(broker, backend, instances)


async def arrives(broker, backend, instances):
    """Wait for every event of *instances*; each comes once, and in order."""
    await broker.ready()
    async with staffed(broker, backend) as office:
        await office.all_told(instances, LIFE)

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)


async def test_backend_down_at_start(start, backend):
    """A backend that isn't there keeps neither broker nor exporter from starting."""
    backend.down()
    async with start() as broker, staffed(broker, backend) as office:
        instances = await office.review(5)
        await eventually(
            lambda: waiting_events(broker) == len(instances), within=PATIENCE
        )
        backend.up()
        await office.all_told(instances, LIFE)

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)


def waiting_events(broker):
    """Return how many accepted events wait for the backend."""
    return broker.status()["spool"]["events"]
