"""The ingest port answers after the commit, or explains why it can't."""

import asyncio
import base64

import pytest

from devkit.waiting import eventually
from tests.records import a_record, action, line, tasks
from tests.service.replies import explains_itself

MIB = 1024 * 1024


async def test_the_answer_comes_after_the_commit(start, backend, disk):
    """Before the commit, there is no answer and no delivery."""
    exporter = await start()
    disk.asked.clear()
    disk.quick.clear()

    request = asyncio.create_task(exporter.bulk(tasks(1)))
    await eventually(disk.asked.is_set)
    for _ in range(5):  # the port goes on answering others meanwhile
        await exporter.ask("GET", "/")
    early = request.done(), list(backend.requests)
    disk.quick.set()
    reply = await request

    assert early == (False, [])
    assert reply.status == 200
    await eventually(lambda: backend.positions == [1])


async def test_unwanted_records_need_no_disk(start, disk):
    """Without selected records, the answer doesn't wait for the disk."""
    exporter = await start()
    disk.quick.clear()
    job = a_record(1, valueType="JOB")
    about = action(job, "job")

    by_record = await exporter.bulk(b"%b\n%b\n" % (about, line(job)))
    by_name = await exporter.bulk(b"%b\n%b\n" % (about, b"not read"))

    assert (by_name.status, by_record.status) == (200, 200)
    assert len(by_name.json["items"]) == len(by_record.json["items"]) == 1
    disk.quick.set()
    assert (await exporter.metrics())["ingest_records_total not_selected"] == 2


def basic(credentials):
    """Return the header for *credentials*, which are bytes."""
    encoded = base64.b64encode(credentials).decode()
    return {"Authorization": f"Basic {encoded}"}


@pytest.mark.parametrize(
    "credentials, scheme",
    [
        (b"broker:pass:word", "Basic"),
        (b"broker:pass:word", "basic"),
        (b"broker:pass:word\r\n", "Basic"),  # of a mounted file
    ],
)
async def test_right_credentials(start, credentials, scheme):
    """Requests with the right credentials are accepted."""
    exporter = await start(ingest_username="broker", ingest_password="pass:word")

    header = basic(credentials)["Authorization"].replace("Basic", scheme)

    assert (await exporter.bulk(tasks(1), Authorization=header)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(b"broker:wrong"),
        basic(b"wrong:password"),
        basic(b""),
        basic("broker:größe".encode()),
        {"Authorization": "Basic größe"},
        {"Authorization": "Bearer YnJva2VyOnBhc3N3b3Jk"},
    ],
    ids=str,
)
async def test_wrong_credentials(start, headers):
    """Requests with wrong or missing credentials are refused on all paths."""
    exporter = await start(ingest_username="broker", ingest_password="password")

    for method, path in [("POST", "/_bulk"), ("GET", "/"), ("GET", "/unknown")]:
        reply = await exporter.ask(method, path, data=tasks(1), headers=headers)
        assert explains_itself(reply, 401, "APP_INTEGRATIONS_INGEST_USERNAME")
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
        assert b"broker" not in reply.body.replace(b"broker's", b"")

    metrics = await exporter.metrics()
    assert metrics["ingest_answers_total 401"] == 3
    assert metrics["spool_events"] == 0
    assert len(exporter.lines.saying("request refused")) == 1


async def test_a_full_spool(start, backend):
    """A full spool answers 429 and isn't ready, and accepts the repeat later."""
    backend.answer = 503
    exporter = await start(spool_max_bytes=MIB)
    bodies = [tasks(n, value={"assignee": "x" * 400_000}) for n in (1, 2, 3)]

    replies = [await exporter.bulk(body) for body in bodies]
    metrics = await exporter.metrics()
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")
    small = await exporter.bulk(tasks(4))
    backend.answer = 200
    await eventually(lambda: len(backend.positions) == 3)
    late = await exporter.bulk(bodies[2])
    await eventually(lambda: len(backend.positions) == 4)

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert explains_itself(replies[2], 429, "APP_INTEGRATIONS_SPOOL_MAX_BYTES")
    assert metrics["spool_full"] == metrics["ingest_answers_total 429"] == 1
    assert (ready.status, healthy.status) == (503, 200)
    assert "full" in ready.json["reason"]
    assert (small.status, late.status) == (200, 200)
    assert sorted(backend.positions) == [1, 2, 3, 4]
    assert (await exporter.look("/readyz")).status == 200


async def test_a_failing_disk(start, backend, disk):
    """A failing disk answers 503, and requests are accepted again afterwards."""
    exporter = await start()
    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    disk.failing = True
    replies = [await exporter.bulk(tasks(2)) for _ in range(3)]
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")
    disk.failing = False
    after = await exporter.bulk(tasks(2))
    await eventually(lambda: backend.positions == [1, 2])

    for reply in replies:
        assert explains_itself(
            reply, 503, "disk I/O error", "APP_INTEGRATIONS_SPOOL_DIR"
        )
    assert (ready.status, healthy.status, after.status) == (503, 200, 200)
    assert "disk I/O error" in ready.json["reason"]
    assert (await exporter.look("/readyz")).status == 200
    assert len(exporter.lines.saying("request refused")) == 1
    assert len(exporter.lines.saying("bulk requests are accepted again")) == 1
    assert (await exporter.metrics())["ingest_answers_total 503"] == 3


async def test_a_disk_that_fails_after_a_delivery(start, backend, disk):
    """After a disk failure, a delivered event is settled and not sent again."""
    gate = backend.hold()
    exporter = await start()
    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.requests)

    disk.failing = True
    gate.set()
    disk.asked.clear()
    await eventually(disk.asked.is_set)
    disk.failing = False
    await exporter.bulk(tasks(2))
    await eventually(lambda: len(backend.positions) == 2)
    await exporter.stop()

    assert backend.positions == [1, 2]
    assert exporter.lines.saying("stopped")[0].waiting_events == 0
