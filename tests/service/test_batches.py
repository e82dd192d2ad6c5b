"""Waiting events become batches within their limits, and never wait for long."""

import asyncio

import pytest

from devkit.waiting import eventually
from tests.records import NOON, a_record, bulk, instance, tasks


async def test_waiting_events_become_the_next_batch(start, backend):
    """While a request is in flight, events gather, and the next request has all."""
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
    """No batch holds more events than BATCH_SIZE, and all but the last are full."""
    exporter = await start(batch_size=3, max_batches_in_flight=1)

    await exporter.bulk(tasks(*range(1, 8)))
    await eventually(lambda: len(backend.positions) == 7)

    batches = [post.positions for post in backend.requests]
    assert batches == [[1, 2, 3], [4, 5, 6], [7]]


async def test_batches_of_at_most_batch_max_bytes(start, backend):
    """No body is longer than BATCH_MAX_BYTES, except that of a single event."""
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


async def test_batches_whose_header_fits(start, backend):
    """A batch is closed before the header with its identities exceeds 4 KiB."""
    cluster_id = "c" * 64
    exporter = await start(
        batch_size=1000, max_batches_in_flight=1, cluster_id=cluster_id
    )

    await exporter.bulk(tasks(*range(1, 101)))
    await eventually(lambda: len(backend.positions) == 100)

    sizes = [len(post.headers["X-Event-Ids"]) for post in backend.requests]
    assert 4096 - 100 < max(sizes) <= 4096
    assert [identity for post in backend.requests for identity in post.ids] == [
        f"{cluster_id}-1-{position}-{NOON + position}" for position in range(1, 101)
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


@pytest.mark.parametrize("format", ["cloudevents", "cloudevents-single"])
async def test_a_receiver_of_single_events(start, backend, format):  # noqa: A002
    """It gets one event in each request, or the log names the format that does that."""
    backend.answer = singles_only
    exporter = await start(format=format)

    await exporter.bulk(tasks(*range(1, 6)))
    if format == "cloudevents":
        remedy = (await exporter.trouble()).remedy
        assert "APP_INTEGRATIONS_FORMAT" in remedy
        assert "cloudevents-single" in remedy
    else:
        await eventually(lambda: sorted(backend.positions) == [1, 2, 3, 4, 5])
        assert len(backend.requests) == 5
