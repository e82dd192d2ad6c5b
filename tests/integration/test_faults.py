"""
What the official exporter loses events by, at the same rate on the same engine.

In a short form by default; FAULT_SECONDS=20 is the one whose figures are published.
"""

import os
import time
from itertools import pairwise

import pytest

from devkit.backend import Answer
from tests.conftest import eventually
from tests.integration.engine import CREATED, PATIENCE

SECONDS = int(os.environ.get("FAULT_SECONDS", "2"))
TASKS_A_SECOND = 25
TASKS = SECONDS * TASKS_A_SECOND

BROKER_PAUSE_SECONDS = 2
"""The first pause of all exporters of a broker when one of them is refused."""


async def tasks(engine, count=TASKS):
    """Start *count* instances with a task each, 25 a second; return their keys."""
    begun, instances = time.monotonic(), []
    for number in range(count):
        due = begun + number / TASKS_A_SECOND
        await eventually(lambda due=due: time.monotonic() >= due)
        instances += await engine.tasks(1)
    return instances


async def all_arrive(engine, instances, dead_letters=0):
    """Check that each task arrives once, and that nothing waits in the end."""
    await engine.all_told(instances, CREATED)
    held = engine.broker.held
    await eventually(lambda: none_waits(held, dead_letters), within=10)

    assert engine.histories(instances) == dict.fromkeys(instances, CREATED)
    assert len(engine.identities(instances)) == len(instances)


async def none_waits(held, dead_letters):
    """Return whether no event waits and so many are dead letters."""
    return await held() == (0, dead_letters)


@pytest.mark.parametrize("kind", ["answers 500", "refuses connections"])
async def test_outage(engine, backend, kind):
    """An outage loses none of the tasks that were created meanwhile."""
    backend.answer = 500
    if kind == "refuses connections":
        await backend.down()
    instances = await tasks(engine)
    assert engine.identities(instances) == []
    backend.answer = 200
    if kind == "refuses connections":
        await backend.up()

    await all_arrive(engine, instances)


async def test_retry_after(engine, backend):
    """No request comes before the time that a 429 asked for, and no event is lost."""
    backend.answer = Answer(429, {"Retry-After": str(SECONDS)})
    instances = await tasks(engine, 1)
    await eventually(lambda: backend.requests, within=PATIENCE)
    backend.answer = 200
    instances += await tasks(engine)

    await all_arrive(engine, instances)
    first, second, *_ = backend.requests
    assert second.at - first.at >= SECONDS


async def test_bad_events(engine, backend):
    """Each bad event is one dead letter; all others arrive."""
    numbers = {}

    def refuse_every_tenth(request):
        keys = [each["processInstanceKey"] for each in request.events]
        for key in keys:
            numbers.setdefault(key, len(numbers))
        return 400 if any(numbers[key] % 10 == 3 for key in keys) else 200

    backend.answer = refuse_every_tenth
    instances = await tasks(engine)
    await eventually(lambda: len(numbers) == TASKS, within=PATIENCE)
    good = [each for each in instances if numbers[each] % 10 != 3]

    await all_arrive(engine, good, dead_letters=TASKS - len(good))
    assert len(backend.arrivals) == len(good)


async def test_a_backend_that_hangs(engine, backend, log):
    """The engine's other exporter isn't delayed while a backend never answers."""
    gate = backend.hold()
    instances = await tasks(engine, 3 * TASKS if SECONDS >= 20 else TASKS)
    await eventually(lambda: log.of(instances[-1], "CREATED"), within=PATIENCE)
    times = [each.at for each in log.records]
    delays = [each.delay for each in log.records]
    gate.set()

    await all_arrive(engine, instances)
    assert max(delays) < BROKER_PAUSE_SECONDS
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert max(gaps) < BROKER_PAUSE_SECONDS
