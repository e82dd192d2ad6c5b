"""The ingest port answers after the commit, or explains why it can't."""

import asyncio
import base64

import pytest

from devkit.waiting import eventually
from tests.records import KEY, a_record, action, bulk, tasks
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

    by_name = await exporter.bulk(b"%b\n%b\n" % (action(job, "job"), b"not read"))
    by_record = await exporter.bulk(bulk(job))

    assert (by_name.status, by_record.status) == (200, 200)
    assert len(by_name.json["items"]) == len(by_record.json["items"]) == 1
    disk.quick.set()
    assert (await exporter.metrics())["ingest_records_total not_selected"] == 2


async def test_many_partitions_at_once(start, backend):
    """Requests of several partitions are accepted in parallel and keep their order."""
    exporter = await start()
    partitions = (1, 2, 3, 4)

    async def send(partition):
        value = {"processInstanceKey": KEY + partition}
        for position in range(1, 41):
            body = tasks(position, partitionId=partition, value=value)
            assert (await exporter.bulk(body)).status == 200

    await asyncio.gather(*map(send, partitions))
    await eventually(lambda: len(backend.positions) == 160)

    arrived = [
        tuple(map(int, identity.split("-")[:2]))
        for post in backend.accepted
        for identity in post.ids
    ]
    for partition in partitions:
        assert [n for each, n in arrived if each == partition] == list(range(1, 41))


def basic(credentials):
    """Return the header for *credentials*, which are bytes."""
    encoded = base64.b64encode(credentials).decode()
    return {"Authorization": f"Basic {encoded}"}


async def test_basic_authentication(start, backend):
    """Requests with the right credentials are accepted."""
    exporter = await start(ingest_username="broker", ingest_password="pass:word")

    for spelling in ("Basic", "basic"):
        header = basic(b"broker:pass:word")["Authorization"]
        header = header.replace("Basic", spelling)
        reply = await exporter.bulk(tasks(1), Authorization=header)
        assert reply.status == 200

    await eventually(lambda: backend.positions == [1])


async def test_a_password_with_a_newline(start):
    """The newline of a password in a mounted file is ignored."""
    exporter = await start(ingest_username="broker", ingest_password="password")

    reply = await exporter.bulk(tasks(1), **basic(b"broker:password\r\n"))

    assert reply.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(b"broker:wrong"),
        basic(b"broker:"),
        basic(b"wrong:password"),
        basic(b"broker"),
        basic(b""),
        basic("broker:größe".encode()),
        basic("broker:größe".encode("latin-1")),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !"},
        {"Authorization": "Basic größe"},
        {"Authorization": "Bearer YnJva2VyOnBhc3N3b3Jk"},
        {"Authorization": ""},
    ],
    ids=str,
)
async def test_wrong_credentials(start, headers):
    """Requests with wrong or missing credentials are refused on all paths."""
    exporter = await start(ingest_username="broker", ingest_password="password")

    for method, path in [("POST", "/_bulk"), ("GET", "/"), ("GET", "/unknown")]:
        reply = await exporter.ask(method, path, data=tasks(1), headers=headers)
        assert explains_itself(
            reply,
            401,
            "APP_INTEGRATIONS_INGEST_USERNAME",
            "authentication.username",
        )
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
        assert b"broker" not in reply.body.replace(b"broker's", b"")

    metrics = await exporter.metrics()
    assert metrics["ingest_answers_total 401"] == 3
    assert metrics["spool_events"] == 0
    assert len(exporter.lines.saying("request refused")) == 1


async def test_a_full_spool(start, backend):
    """A full spool answers 429 with a remedy, and accepts the repeat later."""
    backend.answer = 503
    exporter = await start(spool_max_bytes=MIB)
    large = "x" * 400_000
    bodies = [tasks(n, value={"assignee": large}) for n in (1, 2, 3)]

    taken = [(await exporter.bulk(body)).status for body in bodies[:2]]
    refused = await exporter.bulk(bodies[2])
    small = await exporter.bulk(tasks(4))
    again = await exporter.bulk(bodies[2])
    backend.answer = 200
    await eventually(lambda: len(backend.positions) == 3)
    late = await exporter.bulk(bodies[2])
    await eventually(lambda: len(backend.positions) == 4)

    assert taken == [200, 200]
    assert explains_itself(
        refused, 429, "The spool holds", "APP_INTEGRATIONS_SPOOL_MAX_BYTES"
    )
    assert (small.status, again.status, late.status) == (200, 429, 200)
    assert sorted(backend.positions) == [1, 2, 3, 4]
    assert (await exporter.metrics())["ingest_answers_total 429"] == 2


async def test_a_failing_disk(start, backend, disk):
    """A failing disk answers 503, and requests are accepted again afterwards."""
    exporter = await start()
    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    disk.failing = True
    replies = [await exporter.bulk(tasks(2)) for _ in range(3)]
    ready, healthy = await exporter.look("/readyz"), await exporter.look("/healthz")
    disk.failing = False
    mended = await exporter.bulk(tasks(2))
    await eventually(lambda: backend.positions == [1, 2])

    for reply in replies:
        assert explains_itself(
            reply, 503, "disk I/O error", "APP_INTEGRATIONS_SPOOL_DIR"
        )
    assert (ready.status, healthy.status, mended.status) == (503, 200, 200)
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
