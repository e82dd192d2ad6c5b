"""A bulk request is accepted completely and once, or not at all."""

import pytest

from devkit.waiting import eventually
from tests.records import a_record, action, bulk, line, tasks
from tests.service.replies import bulk_answer, explains_itself
from tests.service.wire import POST, chunked, connected

MIB = 1024 * 1024


KEPT = ("spool_events", "spool_dead_letters", "ingest_records_total accepted")


async def nothing_is_kept(exporter, status=400):
    """Return whether *exporter* counted one refusal and accepted nothing."""
    metrics = await exporter.metrics()
    accepted = [value for name, value in metrics.items() if "records_total" in name]
    return (
        metrics[f"ingest_answers_total {status}"] == 1
        and metrics["spool_events"] == metrics["spool_dead_letters"] == 0
        and len(accepted) == 4
        and not any(accepted)
    )


BODY = tasks(1, 2, 3)
CHUNKED = b"Content-Encoding: %b\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head, part",
    [
        (b"Content-Length: %d\r\n\r\n" % len(BODY), BODY[:-10]),
        (b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1), BODY),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"".join(chunked(BODY))),
        (b"Content-Length: %d\r\n\r\n" % len(BODY), b""),
    ],
    ids=["in a line", "after a line", "before the last chunk", "at once"],
)
async def test_a_connection_that_breaks_off(start, backend, head, part):
    """Nothing of an incomplete body is stored; its repeat is."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.send(POST + head + part)
        await exporter.ask("GET", "/")  # it's being read by now
    await eventually(lambda: exporter.lines.saying("request refused"))

    assert await nothing_is_kept(exporter)
    assert (await exporter.bulk(BODY)).status == 200
    await eventually(lambda: backend.positions == [1, 2, 3])


async def test_a_chunk_that_is_none(start, backend):
    """A body with invalid framing isn't stored, and counts as incomplete."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        await wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n", *chunked(BODY))
        await exporter.ask("GET", "/")  # it's being read by now
        await wire.send(b"nonsense\r\n")
        await exporter.ask("GET", "/")  # that, too
        metrics = await exporter.metrics()
        assert not any(metrics[name] for name in KEPT)
    await eventually(lambda: exporter.lines.saying("request refused"))

    assert await nothing_is_kept(exporter)
    assert backend.requests == []


GZIPPED = b"Transfer-Encoding: gzip, chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head", [GZIPPED, *(CHUNKED % name for name in (b"gzip", b"br", b"zstd"))]
)
async def test_a_compressed_body(start, head):
    """Compressed bodies are refused."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        reply = await wire.ask(POST + head, *chunked(BODY), b"0\r\n\r\n")

    assert explains_itself(reply, 415, "Compressed", "without Content-Encoding")
    assert await nothing_is_kept(exporter, status=415)


@pytest.mark.parametrize("encoding", ["identity", ""])
async def test_a_body_of_64_mib(start, backend, encoding):
    """A body of 64 MiB is accepted, and a record at its end is selected."""
    exporter = await start()
    job = b"%b\n%b\n" % (action(a_record(1), "job"), b"x" * (4 * MIB))
    body = job * 16 + tasks(2)

    reply = await exporter.bulk(body, **{"Content-Encoding": encoding})
    await eventually(lambda: backend.positions == [2])

    assert reply.status == 200
    assert len(reply.json["items"]) == 17


async def test_lines_of_5_mb(start, backend):
    """A record of 5 MB becomes an event, and is sent alone."""
    exporter = await start()
    records = [a_record(position) for position in (1, 2, 3)]
    records[1]["value"]["customHeaders"] = {"large": "x" * (5 * MIB)}

    reply = await exporter.bulk(bulk(*records))
    await eventually(lambda: len(backend.positions) == 3)

    assert reply.status == 200
    assert [post.positions for post in backend.requests] == [[1], [2], [3]]
    (event,) = backend.requests[1].events
    assert len(event["customHeaders"]["large"]) == 5 * MIB


async def test_content_is_never_refused(start, backend, token):
    """Unreadable records become dead letters; other records are delivered."""
    exporter = await start()
    broken = action(a_record(2)) + b'\n{"partitionId":\n'
    strange = bulk(a_record(3, key="no number"))

    reply = await exporter.bulk(tasks(1) + broken + strange + b"garbage\n" + tasks(4))
    await eventually(lambda: backend.positions == [1, 4])

    assert reply.status == 200
    assert reply.json["errors"] is False
    ids = [item["index"]["_id"] for item in reply.json["items"]]
    assert ids == ["1-1", "1-2", "1-3", "", "1-4"]
    metrics = await exporter.metrics()
    assert metrics["ingest_records_total dead_letter"] == 3
    assert metrics["ingest_records_total accepted"] == 2
    assert metrics["spool_dead_letters"] == 3
    assert metrics["spool_dead_letter_bytes"] > 0
    reasons = [getattr(line, "reason", "") for line in exporter.lines.records]
    assert any("can't be read" in reason for reason in reasons)
    kept = await exporter.demand("GET", "/dead-letters", token())
    letters = kept.json["dead_letters"]
    assert any("`$.key`" in letter["reason"] for letter in letters)


async def test_a_body_without_its_last_line_end(start, backend):
    """The last record counts without a line end, and so does a lone action."""
    exporter = await start()

    reply = await exporter.bulk(tasks(1, 2).rstrip())
    await eventually(lambda: backend.positions == [1, 2])
    alone = await exporter.bulk(action(a_record(3)))

    assert (len(reply.json["items"]), len(alone.json["items"])) == (2, 1)
    assert (await exporter.metrics())["ingest_records_total dead_letter"] == 1


async def test_repeats_are_harmless(start, backend):
    """Repeats are accepted and not delivered."""
    exporter = await start()

    for _ in range(3):
        await exporter.bulk(tasks(1, 2, 3))
    await eventually(lambda: len(backend.positions) == 3)
    await exporter.stop()
    exporter = await start()
    reply = await exporter.bulk(tasks(1, 2, 3))
    await exporter.bulk(tasks(4))
    await eventually(lambda: len(backend.positions) == 4)

    assert reply.json == bulk_answer(tasks(1, 2, 3).decode())
    assert backend.positions == [1, 2, 3, 4]
    assert (await exporter.metrics())["ingest_records_total repeat"] == 3


async def test_an_unnamed_index(start, backend):
    """If the index name has no known type, the record is read."""
    exporter = await start()
    job, task = a_record(1, valueType="JOB"), a_record(2)
    body = b"".join(
        b'{"index":{"_index":"odd_prefix_of_mine","_id":"7"}}\n%b\n' % line(record)
        for record in (job, task)
    )

    reply = await exporter.bulk(body)
    await eventually(lambda: backend.positions == [2])

    assert len(reply.json["items"]) == 2
