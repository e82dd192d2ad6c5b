"""No event is lost when parts stop, die or hang, in any order."""

from collections import Counter
from itertools import pairwise

import pytest

from exporter.broker.environment import broker_environment
from tests.conftest import eventually
from tests.integration.conftest import PASSWORD
from tests.integration.engine import CREATED, LIFE, PATIENCE

BROKER_PAUSE_SECONDS = 2
"""The first pause of all exporters of a partition after a failed export."""


async def test_exporter_killed(engine, backend):
    """A killed exporter is restarted next to its broker, and loses nothing."""
    async with engine.at_work():
        instances = await engine.tasks(30)
        await eventually(lambda: len(backend.arrivals) >= 30, within=PATIENCE)
        backend.answer = 503
        instances += await engine.tasks(30)
        before = engine.broker.exporter()
        engine.broker.kill_exporter()
        backend.answer = 200
        instances += await engine.tasks(30)
        await engine.all_arrived(instances, LIFE)

    assert engine.histories(instances) == dict.fromkeys(instances, LIFE)
    assert engine.broker.exporter() not in (None, "", before)


async def test_stopped_and_started(engine, backend):
    """Events that a stopping exporter can't deliver are kept on disk."""
    instances = await engine.tasks(20)
    await engine.all_arrived(instances, CREATED)
    backend.answer = 503
    waiting = await engine.tasks(20)
    await engine.broker.holds(len(waiting))
    status = await engine.broker.stop()

    assert status in (0, 143)
    assert any(engine.histories(waiting).values()) is False
    backend.answer = 200
    await engine.broker.run()
    await complete(engine, instances + waiting)


@pytest.mark.parametrize("same", [True, False], ids=["started again", "a new one"])
async def test_killed(place, start, backend, same):
    """A kill of broker and exporter loses no accepted event."""
    data = place.new_data()
    backend.answer = 503
    async with start(data=data) as engine:
        instances = await engine.tasks(20)
        await engine.broker.holds(len(instances))
        engine.broker.kill()
        backend.answer = 200
        if same:
            await engine.broker.run()
            await complete(engine, instances, killed=True)
    if not same:
        async with start(data=data) as engine:
            await complete(engine, instances, killed=True)


async def test_backend_down_at_start(start, backend):
    """Broker and exporter start while the backend is down."""
    await backend.down()
    async with start() as engine:
        instances = await engine.tasks(5)
        await engine.broker.holds(len(instances))
        await backend.up()

        await complete(engine, instances)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_broker_restarted(start, exporter, version, log, how):
    """A restarted broker sends records again, but no event arrives twice."""
    variables = broker_environment(version, exporter.ingest_url, **PASSWORD)
    async with start(exporter=False, environment=variables) as engine:
        async with engine.at_work():
            instances = await engine.tasks(10)
            await engine.all_arrived(instances, LIFE)
        more = await engine.tasks(10)
        await engine.all_arrived(more, CREATED)
        if how == "stop":
            await engine.broker.stop()
        else:
            engine.broker.kill()
        await engine.broker.run()
        await complete(engine, instances + more)

    records = [record for each in instances + more for record in log.of(each)]
    sent = Counter(record["position"] for record in records)
    again = {record["key"] for record in records if sent[record["position"]] > 1}
    assert len(again) == len(instances + more)


async def test_without_the_password(start, exporter, version, backend):
    """A broker without the password is refused, and both logs show it."""
    variables = broker_environment(version, exporter.ingest_url)
    async with start(exporter=False, environment=variables) as engine:
        await engine.tasks(1)
        await eventually(lambda: "401" in exporter.text, within=PATIENCE)
        await eventually(lambda: "401" in engine.broker.text, within=PATIENCE)

    assert backend.arrivals == []


async def test_a_backend_that_hangs(engine, backend, log):
    """A backend that never answers doesn't delay the engine's other exporter."""
    gate = backend.hold()
    instances = [key for _ in range(50) for key in await engine.tasks(1)]
    await eventually(lambda: log.of(instances[-1], "CREATED"), within=PATIENCE)
    times = [each.at for each in log.records]
    delays = [each.at - each.record["timestamp"] / 1000 for each in log.records]
    gate.set()

    await complete(engine, instances)
    assert max(delays) < BROKER_PAUSE_SECONDS
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert max(gaps) < BROKER_PAUSE_SECONDS


async def complete(engine, instances, *, killed=False):
    """Complete all tasks, and check that each event arrives once and in order."""
    async with engine.at_work():
        await engine.all_arrived(instances, LIFE)

    assert engine.histories(instances) == dict.fromkeys(instances, LIFE)
    # A request that a kill cut short may have been accepted: its events come again.
    assert killed or engine.repeats() == 0
