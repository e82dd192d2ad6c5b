"""What waits becomes batches within their limits, and never waits for long."""

import asyncio

import pytest

from devkit.waiting import eventually
from tests.records import NOON, a_record, bulk, instance, tasks


async def test_what_waits_becomes_the_next_batch(start, backend):
    """While a request is under way events gather, and the next one takes them all."""
    gate = backend.hold()
    exporter = await start(max_batches_in_flight=1)

    await exporter.bulk(tasks(1))
    await eventually(lambda: len(backend.requests) == 1)
    for position in range(2, 8):
        await exporter.bulk(tasks(position, value=instance(position)))
    gate.set()
    await eventually(lambda: len(backend.positions) == 7)

    assert [post.positions for post in backend.requests] == [[1], [2, 3, 4, 5, 6, 7]]


async def test_batches_of_at_most_batch_size(start, backend):
    """No batch holds more events than BATCH_SIZE, and none is smaller than it must."""
    exporter = await start(batch_size=3, max_batches_in_flight=1)

    await exporter.bulk(tasks(*range(1, 11)))
    await eventually(lambda: len(backend.positions) == 10)

    assert [post.positions for post in backend.requests] == [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
        [10],
    ]


async def test_batches_of_at_most_batch_max_bytes(start, backend):
    """No body is longer than BATCH_MAX_BYTES, but for an event that is by itself."""
    exporter = await start(batch_max_bytes=3000, max_batches_in_flight=1)

    records = [a_record(position) for position in range(1, 21)]
    records[9]["value"]["assignee"] = "x" * 5000
    await exporter.bulk(bulk(*records))
    await eventually(lambda: len(backend.positions) == 20)

    assert backend.positions == list(range(1, 21))
    for post in backend.requests:
        assert len(post.body) <= 3000 or post.positions == [10]
        assert post.headers["Content-Length"] == str(len(post.body))
    fullest = max(backend.requests, key=lambda post: len(post.events))
    spare = 3000 - len(fullest.body)
    assert 0 <= spare < len(fullest.body) / len(fullest.events)


@pytest.mark.parametrize("cluster_id", ["", "c" * 64])
async def test_batches_whose_header_fits(start, backend, cluster_id):
    """A batch is closed before the header with its identities exceeds 4 KiB."""
    exporter = await start(
        batch_size=1000, max_batches_in_flight=1, cluster_id=cluster_id
    )

    await exporter.bulk(tasks(*range(1, 501)))
    await eventually(lambda: len(backend.positions) == 500)

    sizes = [len(post.headers["X-Event-Ids"]) for post in backend.requests]
    assert max(sizes) <= 4096
    assert max(sizes) > 4096 - 100
    prefix = f"{cluster_id}-" if cluster_id else ""
    assert [identity for post in backend.requests for identity in post.ids] == [
        f"{prefix}1-{position}-{NOON + position}" for position in range(1, 501)
    ]


async def test_a_batch_does_not_wait_for_ever(start, backend):
    """A batch that doesn't become full is sent when BATCH_INTERVAL_MS is over."""
    loop = asyncio.get_running_loop()
    exporter = await start(batch_size=3, batch_interval_ms=50)

    begun = loop.time()
    await exporter.bulk(tasks(1, 2))
    await eventually(lambda: backend.positions == [1, 2])

    assert loop.time() - begun >= 0.05
    assert len(backend.requests) == 1


def singles_only(request):
    """Answer as a Knative broker does, which reads one CloudEvent a request."""
    single = request.headers["Content-Type"] == "application/cloudevents+json"
    return 202 if single and "specversion" in request.json else 415


async def test_cloud_events_one_by_one(start, backend):
    """A receiver of single CloudEvents gets one in each request."""
    backend.answer = singles_only
    exporter = await start(format="cloudevents-single")

    await exporter.bulk(tasks(*range(1, 6)))
    await eventually(lambda: sorted(backend.positions) == [1, 2, 3, 4, 5])

    assert len(backend.requests) == 5


async def test_a_receiver_that_reads_no_batches(start, backend):
    """It says so with 415, and the log says which format it may read."""
    backend.answer = singles_only
    exporter = await start(format="cloudevents")

    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert "APP_INTEGRATIONS_FORMAT" in line.remedy
    assert "cloudevents-single" in line.remedy
