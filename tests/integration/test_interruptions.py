"""Whatever stops for a while, no event of a real engine is lost."""

import time
from collections import Counter
from http import HTTPStatus

import pytest

from tests.conftest import eventually
from tests.integration.office import LIFE, PATIENCE


@pytest.mark.usefixtures("workers")
async def test_exporter_killed(office, service):
    """An exporter killed in the middle goes on where it was: nothing lost, in order."""
    instances = await office.review(50)
    await eventually(lambda: len(office.identities(instances)) >= 50, within=PATIENCE)
    office.backend.answer = HTTPStatus.SERVICE_UNAVAILABLE
    told_before = len(office.identities(instances))
    instances += await office.review(50)
    service.kill()
    office.backend.answer = HTTPStatus.OK
    instances += await office.review(50)
    await service.start()
    await office.all_told(instances, LIFE)

    assert 50 <= told_before <= 150 < len(instances) * len(LIFE)
    assert office.histories(instances) == dict.fromkeys(instances, LIFE)


async def test_broker_restarted(office, broker, recorder):
    """A restarted broker sends everything again, and none of it arrives twice."""
    async with office.at_work():
        instances = await office.review(20)
        await office.all_told(instances, LIFE)
    instances += await office.review(20)
    await office.all_told(instances[20:], LIFE[:1])
    await broker.stop()
    await broker.start()
    async with office.at_work():
        await office.all_told(instances, LIFE)

    records = [record for each in instances for record in recorder.of(each)]
    sent = Counter(record["position"] for record in records)
    again = {record["key"] for record in records if sent[record["position"]] > 1}
    assert len(again) == len(instances)
    assert office.histories(instances) == dict.fromkeys(instances, LIFE)
    identities = office.identities(instances)
    assert len(identities) == len(set(identities))


async def test_backend_down(office, recorder):
    """For ten seconds nobody takes events: none is lost, and no one else is delayed."""
    # Between two tests nobody served the broker, which may still wait for that reason.
    instances = await office.review(1)
    await eventually(lambda: recorder.of(instances[0], "CREATED"), within=PATIENCE)
    await office.all_told(instances, LIFE[:1])
    await office.backend.down()
    since = len(recorder.records)
    instances = []
    end = time.monotonic() + 10
    while time.monotonic() < end:
        [instance] = await office.review(1)
        instances.append(instance)
        # People learn of their tasks from elsewhere: the backend has nothing to tell.
        [created] = await eventually(
            lambda: recorder.of(instances[-1], "CREATED"), within=PATIENCE
        )
        await office.engine.assign(created["key"], "ann")
        await office.engine.complete(created["key"])
    delays = [recorded.delay for recorded in recorder.records[since:]]
    assert office.identities(instances) == []
    await office.backend.up()
    await office.all_told(instances, LIFE)

    assert office.histories(instances) == dict.fromkeys(instances, LIFE)
    assert len(instances) > 10
    assert max(delays) < 2  # the first pause of a broker that is refused
