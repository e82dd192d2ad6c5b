"""What is accepted reaches the backend: in order, once, and as the engine has it."""

import asyncio
import json
from collections import defaultdict
from operator import itemgetter

import pytest
import trustme

from devkit.backend import HANG, Answer, Backend
from devkit.waiting import eventually
from tests import recorded
from tests.contract import promised
from tests.records import KEY, NOON, a_record, action, bulk, instance, tasks
from tests.service.certificates import authority_in, proof
from tests.service.running import running, send


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
    """A backend that stumbles gets every event once, each instance in its order."""
    stumbles = iter([503, 200, 500, 429, 200, 200, 503] * 100)
    backend.answer = lambda _: next(stumbles)
    exporter = await start(batch_size=5)
    expected = defaultdict(list)

    for position in range(1, 201):
        number = position * position % 17
        expected[str(KEY + number)].append(position)
        await exporter.bulk(tasks(position, value=instance(number)))
    await eventually(lambda: len(backend.positions) == 200)

    arrived = [(each.position, each.event) for each in backend.arrivals]
    assert by_instance(arrived) == expected
    assert len(backend.requests) > len(backend.accepted)


async def test_events_without_an_instance(start, backend):
    """Events that belong to no process instance stay in order among themselves."""
    exporter = await start(batch_size=2)

    await exporter.bulk(tasks(*range(1, 10), without=["processInstanceKey"]))
    await eventually(lambda: len(backend.positions) == 9)

    assert backend.positions == list(range(1, 10))


@pytest.mark.parametrize("own, sent", [("", "uuid-1"), ("eu-1", "eu-1")])
async def test_a_cluster_id_of_the_broker(start, backend, own, sent):
    """Without one of ours the header has it; it's no part of an identity."""
    exporter = await start(cluster_id=own, broker_cluster_id="uuid-1")

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    (post,) = backend.requests
    assert post.headers["X-Cluster-Id"] == sent
    assert post.ids == [f"{own}-" * bool(own) + f"1-1-{NOON + 1}"]


async def test_credentials(start, backend):
    """Every request says who we are and whose events these are, with more headers."""
    exporter = await start(
        api_key="s3cret",
        cluster_id="eu-1",
        headers="X-Team: a, X-Env:prod",
        organization_id="org-7",
    )

    await exporter.bulk(tasks(1, 2))
    await eventually(lambda: backend.positions == [1, 2])

    (post,) = backend.requests
    assert post.headers["X-Api-Key"] == "s3cret"
    assert post.headers["X-Cluster-Id"] == "eu-1"
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["X-Team"] == "a"
    assert post.headers["X-Env"] == "prod"
    assert post.headers["X-Org-Id"] == "org-7"
    assert post.ids == [f"eu-1-1-1-{NOON + 1}", f"eu-1-1-2-{NOON + 2}"]


async def test_credentials_in_another_header(start, backend):
    """API_KEY_HEADER renames the header; what isn't set has no header."""
    exporter = await start(api_key="s3cret", api_key_header="Authorization")

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.requests)

    (post,) = backend.requests
    assert post.headers["Authorization"] == "s3cret"
    assert {"X-Api-Key", "X-Cluster-Id", "X-Org-Id"}.isdisjoint(post.headers)
    assert post.ids == [f"1-1-{NOON + 1}"]


async def test_cookies_are_not_kept(start, backend):
    """A backend that sets a cookie doesn't get it back: requests know no past."""
    backend.answer = Answer(200, {"Set-Cookie": "session=7"})
    exporter = await start()

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])
    await exporter.bulk(tasks(2))
    await eventually(lambda: backend.positions == [1, 2])

    assert not any("Cookie" in post.headers for post in backend.requests)


async def test_a_certificate_that_does_not_verify(start):
    """A backend that can't prove who it is gets nothing, and the log has the remedy."""
    async with Backend(tls=proof(trustme.CA())) as backend:
        exporter = await start(url=backend.url)

        await exporter.bulk(tasks(1))
        (trouble,) = await eventually(
            lambda: exporter.lines.saying("batch not delivered")
        )

        assert (trouble.levelname, trouble.outcome) == ("ERROR", "blocked")
        assert "certificate" in trouble.reason
        assert "APP_INTEGRATIONS_TLS_CA_PATH" in trouble.remedy
        assert (await exporter.metrics())["spool_events"] == 1
        await exporter.stop()
        assert backend.requests == []


async def test_a_peer_that_speaks_no_http(start, backend):
    """What isn't HTTP is told as that, without the URL, which may hold a token."""
    backend.answer = Answer(503, raw=[b"220 mail.example ready\r\n"], end="close")
    exporter = await start(url=f"{backend.url}?code=hunter2")

    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert line.outcome == "postponed"
    assert line.reason == "the answer isn't HTTP: it begins with '220 mail.example'"
    assert "hunter2" not in line.reason


async def test_a_certificate_of_our_own(launch, client, monkeypatch, tmp_path):
    """An authority that SSL_CERT_FILE names is trusted like any other."""
    authority, trusting = authority_in(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", trusting["tls_ca_path"])
    async with Backend(tls=proof(authority)) as backend:
        process = launch(URL=backend.url)
        await process.run()

        assert await send(client, process.ingest_url, tasks(1)) == 200
        await eventually(
            lambda: backend.requests or process.saying("batch not delivered")
        )

    assert process.saying("batch not delivered") == []


async def test_a_backend_that_is_slow_and_knows_repeats(start, backend):
    """What it still works on when a repeat comes is "not now", and no dead letter."""
    done, working = asyncio.Event(), set()

    async def slow(request):
        key = request.headers["Idempotency-Key"]
        if done.is_set() and key in working:
            return 200
        if key in working:
            return 409
        working.add(key)
        return HANG

    backend.answer = slow
    exporter = await start(request_timeout_ms=200)
    await exporter.bulk(tasks(1))
    await eventually(lambda: len(backend.requests) > 3)
    done.set()
    await eventually(lambda: backend.positions == [1])

    assert len(working) == 1
    assert (await exporter.metrics())["spool_dead_letters"] == 0


async def test_a_backend_that_keeps_its_answers(start, backend):
    """One that repeats its answer to the same key gets another key after a failure."""
    answers = {}

    def kept(request):
        key = request.headers["Idempotency-Key"]
        return answers.setdefault(key, 200 if len(answers) == 3 else 500)

    backend.answer = kept
    exporter = await start()
    await exporter.bulk(tasks(1))

    await eventually(lambda: backend.positions == [1])
    assert len(answers) == 4


async def test_a_task_that_was_migrated(start, settings, backend):
    """Who was told that a task began is told that it ended, after a restart, too."""
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
