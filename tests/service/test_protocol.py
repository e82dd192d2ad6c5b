"""All brokers and clients accept our answers as those of a search engine."""

import asyncio

import elasticsearch8.helpers
import elasticsearch9.helpers
import opensearchpy
import pytest

from devkit.waiting import eventually
from tests import recorded
from tests.records import a_record, tasks
from tests.service.replies import (
    ACKNOWLEDGED,
    NO_INDICES,
    bulk_answer,
    explains_itself,
    is_well_formed,
)
from tests.service.wire import as_sent, connected

NO_ITEMS = {"took": 0, "errors": False, "items": []}


def expected_answer(request):
    """Return the expected status and body for the recorded *request*."""
    path = request["path"]
    if path == "/_bulk":
        return 200, bulk_answer(request["body"])
    if "/_ism/policies/" in path:
        return 404, {"found": False}
    if "/_ism/remove/" in path:
        return 200, NO_INDICES
    return 200, ACKNOWLEDGED


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (recorded.RECORDINGS / "wire").iterdir())
)
async def test_recorded_requests(start, backend, name):
    """All recorded requests get the expected answers on one connection."""
    exporter = await start()
    requests = recorded.requests(name)

    async with connected(exporter.ingest) as wire:
        replies = [await wire.ask(*as_sent(request)) for request in requests]

    assert [(reply.status, reply.json) for reply in replies] == [
        expected_answer(request) for request in requests
    ]
    assert all(is_well_formed(reply) for reply in replies)
    assert "Connection" not in replies[-1].headers
    assert backend.requests == []


@pytest.mark.parametrize(
    "method, path, status, answer",
    [
        ("PUT", "/_ilm/policy/zeebe-record-retention-policy", 200, ACKNOWLEDGED),
        ("PUT", "/odd%20prefix%2A/_settings", 200, ACKNOWLEDGED),
        ("PUT", "/_plugins/_ism/policies/any?if_seq_no=1", 200, {"policy": {}}),
        ("POST", "/_plugins/_ism/add/zeebe-record*", 200, NO_INDICES),
        ("POST", "/_bulk", 200, NO_ITEMS),
        ("PUT", "/_bulk", 200, NO_ITEMS),
    ],
)
async def test_unrecorded_requests(start, method, path, status, answer):
    """Requests of brokers without a recording get the expected answers too."""
    exporter = await start()

    reply = await exporter.ask(method, path)

    assert (reply.status, reply.json) == (status, answer)
    assert is_well_formed(reply)


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("POST", "/zeebe-record/_bulk", 404),
        ("PUT", "/_component_template/", 404),
        ("DELETE", "/_bulk", 405),
    ],
)
async def test_unknown_writes(start, method, path, status):
    """An unknown path gets an error that explains this service, in JSON."""
    exporter = await start()

    reply = await exporter.ask(method, path)

    assert explains_itself(reply, status, "bulk requests, templates")
    assert reply.json["error"]["reason"].startswith(f"{method} {path} is not served")
    assert (await exporter.metrics())[f"ingest_answers_total {status}"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/zeebe-record/_mapping",
        "/_bulk",
        "/_cat/indices?format=json",
        "/%E2%80%A8//..%2F",
    ],
)
async def test_unknown_questions(start, path):
    """An unknown GET or HEAD request gets an empty success."""
    exporter = await start()

    head = await exporter.ask("HEAD", path)
    reply = await exporter.ask("GET", path, headers={"Content-Type": "text/plain"})

    assert is_well_formed(reply)
    assert (reply.status, reply.body) == (200, b"{}")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["X-Elastic-Product"] == "Elasticsearch"
    assert (await exporter.metrics())["ingest_answers_total 200"] == 2


@pytest.mark.parametrize("kind", ["", "APPLICATION/invented-later;compatible-with=10"])
async def test_new_content_types(start, kind):
    """A bulk request is accepted with any content type of clients."""
    exporter = await start()

    reply = await exporter.bulk(tasks(1), **{"Content-Type": kind})

    assert reply.json == bulk_answer(tasks(1).decode())


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "Text/Plain;charset=UTF-8"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "nonsense"},
        {"Origin": "null"},
        {"Origin": "https://a.example"},
    ],
    ids=str,
)
async def test_requests_of_web_pages(start, headers):
    """Requests that web pages can send are refused."""
    exporter = await start()

    for method in ("POST", "OPTIONS"):
        reply = await exporter.ask(method, "/_bulk", data=tasks(1), headers=headers)
        assert explains_itself(reply, 403, "web pages", next(iter(headers)))
        assert reply.headers["Connection"] == "close"
    reply = await exporter.ask("GET", "/", headers=headers)
    assert reply.status == (403 if "Origin" in headers else 200)
    assert (await exporter.metrics())["spool_events"] == 0


CLIENTS = {
    "elasticsearch 8": (elasticsearch8.Elasticsearch, elasticsearch8.helpers.bulk),
    "elasticsearch 9": (elasticsearch9.Elasticsearch, elasticsearch9.helpers.bulk),
    "opensearch": (opensearchpy.OpenSearch, opensearchpy.helpers.bulk),
}


@pytest.mark.parametrize("name", CLIENTS)
async def test_official_clients(start, backend, name):
    """The bulk helpers of the official clients accept our answers."""
    connect, send = CLIENTS[name]
    exporter = await start()
    index = "zeebe-record_user-task_8.6.0_2026-11-23"
    actions = [
        {"_index": index, "_id": f"1-{position}", "_source": a_record(position)}
        for position in range(1, 21)
    ]
    actions[1]["_op_type"] = "create"

    def talk():
        with connect(f"http://{exporter.ingest}") as client:
            tagline = client.info()["tagline"]
            return tagline, send(client, actions, chunk_size=7)

    tagline, result = await asyncio.to_thread(talk)
    await eventually(lambda: len(backend.positions) == 20)

    assert "not Elasticsearch" in tagline
    assert result == (20, [])
    assert backend.positions == list(range(1, 21))


@pytest.mark.parametrize("client", [elasticsearch8, elasticsearch9], ids=["8", "9"])
async def test_setup_and_questions_of_official_clients(start, client):
    """The official clients accept the answers to a setup and to questions."""
    exporter = await start()

    def talk():
        with client.Elasticsearch(f"http://{exporter.ingest}") as elastic:
            indices = elastic.indices
            setup = [
                elastic.ilm.put_lifecycle(name="policy", policy={"phases": {}}),
                elastic.cluster.put_component_template(name="z", template={}),
                indices.put_index_template(name="z", index_patterns="z*"),
                indices.put_settings(index="z*", settings={}, allow_no_indices=True),
            ]
            questions = [
                elastic.cluster.health(),
                elastic.cluster.get_settings(),
                elastic.ilm.get_lifecycle(name="any"),
                indices.get_alias(index="z*"),
                indices.get_index_template(name="any"),
                indices.get_mapping(index="z*"),
                elastic.license.get(),
                elastic.nodes.info(),
                elastic.xpack.info(),
                elastic.cat.indices(format="json"),
            ]
            return setup, questions, indices.exists(index="any")

    setup, questions, exists = await asyncio.to_thread(talk)

    assert [answer.body for answer in setup] == [ACKNOWLEDGED] * len(setup)
    assert [answer.body for answer in questions] == [{}] * len(questions)
    assert exists


async def test_invalid_http(start, caplog):
    """Invalid data on the port is answered and not logged, and the port still works."""
    exporter = await start()
    caplog.set_level("INFO")
    caplog.clear()

    async with connected(exporter.ingest) as wire:
        await wire.send(b"\x16\x03\x01 this isn't HTTP\r\n\r\n")
        reply = await wire.reply()

    assert reply.status == 400
    assert caplog.records == []
    assert (await exporter.ask("GET", "/")).status == 200
