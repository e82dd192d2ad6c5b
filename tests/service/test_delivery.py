"""Accepted events reach the backend in order, once, and as the engine has them."""

import json
from collections import defaultdict
from operator import itemgetter

import pytest

from devkit.backend import Answer
from devkit.waiting import eventually
from tests import recorded
from tests.contract import promised
from tests.records import KEY, NOON, a_record, action, bulk, instance, tasks
from tests.service.running import running


@pytest.mark.parametrize("version", recorded.VERSIONS)
async def test_recorded_lives(start, backend, version):
    """The recorded lives of user tasks arrive whole, each instance in its order."""
    exporter = await start(batch_size=7)
    documents = recorded.user_tasks(version)
    sent = [
        (record["position"], promised(record))
        for record in map(json.loads, documents)
        if record["intent"] in {"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"}
    ]

    reply = await exporter.bulk(
        b"".join(b"%b\n%b\n" % (action(a_record()), each) for each in documents)
    )
    await eventually(lambda: len(backend.positions) >= len(sent))

    assert reply.status == 200
    arrived = [(each.position, each.event) for each in backend.arrivals]
    assert sorted(arrived, key=itemgetter(0)) == sent
    assert by_instance(arrived) == by_instance(sent)
    assert exporter.lines.saying("batch not delivered") == []


def by_instance(events):
    """Return the positions of *events* by instance, in their order."""
    order = defaultdict(list)
    for position, event in events:
        order[event["processInstanceKey"]].append(position)
    return order


async def test_order_and_exactly_once(start, backend):
    """A backend that fails at times gets every event once, each instance in order."""
    statuses = iter([503, 200, 500, 429, 200, 200, 503] * 100)
    backend.answer = lambda _: next(statuses)
    exporter = await start(batch_size=5)
    expected = defaultdict(list)

    for position in range(1, 61):
        number = position * position % 17
        expected[str(KEY + number)].append(position)
        await exporter.bulk(tasks(position, value=instance(number)))
    await eventually(lambda: len(backend.positions) == 60)

    arrived = [(each.position, each.event) for each in backend.arrivals]
    assert by_instance(arrived) == expected
    assert len(backend.requests) > len(backend.accepted)


OURS = {"X-Api-Key", "X-Cluster-Id", "X-Team", "X-Env", "X-Org-Id", "Authorization"}


@pytest.mark.parametrize(
    "changes, headers, prefix",
    [
        (
            {
                "api_key": "s3cret",
                "cluster_id": "eu-1",
                "broker_cluster_id": "uuid-1",
                "headers": "X-Team: a, X-Env:prod",
                "organization_id": "org-7",
            },
            {
                "X-Api-Key": "s3cret",
                "X-Cluster-Id": "eu-1",
                "X-Team": "a",
                "X-Env": "prod",
                "X-Org-Id": "org-7",
            },
            "eu-1-",
        ),
        (
            {"api_key": "s3cret", "api_key_header": "Authorization"},
            {"Authorization": "s3cret"},
            "",
        ),
        ({"broker_cluster_id": "uuid-1"}, {"X-Cluster-Id": "uuid-1"}, ""),
    ],
)
async def test_headers(start, backend, changes, headers, prefix):
    """Headers say who sends whose events; a setting that is missing has no header."""
    exporter = await start(**changes)

    await exporter.bulk(tasks(1, 2))
    await eventually(lambda: backend.positions == [1, 2])

    (post,) = backend.requests
    found = {name: post.headers[name] for name in OURS if name in post.headers}
    assert found == headers
    assert post.headers["Content-Type"] == "application/json"
    assert post.ids == [f"{prefix}1-{n}-{NOON + n}" for n in (1, 2)]


async def test_cookies_are_not_kept(start, backend):
    """A backend that sets a cookie doesn't get it back."""
    backend.answer = Answer(200, {"Set-Cookie": "session=7"})
    exporter = await start()

    for position in (1, 2):
        await exporter.bulk(tasks(position))
        await eventually(lambda position=position: position in backend.positions)

    assert not any("Cookie" in post.headers for post in backend.requests)


async def test_a_task_that_was_migrated(start, settings, backend):
    """A backend that knows the beginning of a task gets its end after a restart."""
    a, b = {"bpmnProcessId": "a"}, {"bpmnProcessId": "b"}
    records = [
        a_record(1, key=7, intent="CREATED", value=a),
        a_record(2, key=7, intent="MIGRATED", value=b),
        a_record(3, key=7, intent="COMPLETED", value=b),
        a_record(4, key=8, intent="COMPLETED", value=b),
    ]
    async with running(settings(process_ids="a")) as exporter:
        await exporter.bulk(bulk(*records[:2]))
    exporter = await start(process_ids="a")
    await exporter.bulk(bulk(*records[2:]))
    await eventually(lambda: backend.positions == [1, 3])

    metrics = await exporter.metrics()
    assert metrics["ingest_records_total accepted"] == 1
    assert metrics["ingest_records_total not_selected"] == 1
