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
from tests.service.wire import POST, as_sent, connected


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
        ("PUT", "/_component_template/zeebe-record", 200, ACKNOWLEDGED),
        ("PUT", "/_component_template/zeebe-record-8.8.0", 200, ACKNOWLEDGED),
        ("PUT", "/_index_template/zeebe-record_user-task_8.6.0", 200, ACKNOWLEDGED),
        ("PUT", "/zeebe-record*/_settings?allow_no_indices=true", 200, ACKNOWLEDGED),
        ("PUT", "/zeebe-record_*/_settings?allow_no_indices=true", 200, ACKNOWLEDGED),
        ("PUT", "/odd%20prefix%2A/_settings", 200, ACKNOWLEDGED),
        ("GET", "/_plugins/_ism/policies/any", 404, {"found": False}),
        ("DELETE", "/_plugins/_ism/policies/any", 404, {"found": False}),
        ("PUT", "/_plugins/_ism/policies/any", 200, {"policy": {}}),
        (
            "PUT",
            "/_plugins/_ism/policies/any?if_seq_no=1&if_primary_term=1",
            200,
            {"policy": {}},
        ),
        ("POST", "/_plugins/_ism/add/zeebe-record*", 200, NO_INDICES),
        ("POST", "/_plugins/_ism/remove/zeebe-record_*", 200, NO_INDICES),
        ("POST", "/_bulk", 200, {"took": 0, "errors": False, "items": []}),
        ("PUT", "/_bulk", 200, {"took": 0, "errors": False, "items": []}),
    ],
)
async def test_every_path(start, method, path, status, answer):
    """Each request of brokers 8.5 to 8.10 gets the expected answer."""
    exporter = await start()

    reply = await exporter.ask(method, path)

    assert (reply.status, reply.json) == (status, answer)
    assert is_well_formed(reply)


async def test_the_front_door(start):
    """The root path tells people what this service is."""
    exporter = await start()

    reply = await exporter.ask("GET", "/")

    assert is_well_formed(reply)
    assert reply.json["tagline"].startswith("App Integrations Exporter")
    assert reply.json["version"]["number"].startswith("8.")
    assert (await exporter.ask("HEAD", "/")).status == 200


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("POST", "/zeebe-record/_bulk", 404),
        ("POST", "/zeebe-record/_search", 404),
        ("PUT", "/zeebe-record", 404),
        ("PUT", "/_component_template/", 404),
        ("DELETE", "/_bulk", 405),
        ("DELETE", "/_component_template/zeebe-record", 405),
        ("PATCH", "/", 405),
    ],
)
async def test_unknown_writes(start, method, path, status):
    """An unknown path gets an error that explains this service, in JSON."""
    exporter = await start()

    reply = await exporter.ask(method, path)

    assert explains_itself(
        reply, status, f"{method} {path} is not served here", "bulk requests, templates"
    )
    assert (await exporter.metrics())[f"ingest_answers_total {status}"] == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/zeebe-record_user-task_8.6.0_2026-11-23",
        "/zeebe-record*/_settings?flat_settings=true",
        "/zeebe-record/_mapping",
        "/zeebe-record/_alias/any",
        "/zeebe-record/_doc/1-7",
        "/zeebe-record/_search?q=any",
        "/_alias",
        "/_bulk",
        "/_cat/indices?format=json",
        "/_cluster/health?wait_for_status=yellow&timeout=30s",
        "/_cluster/settings",
        "/_cluster/stats",
        "/_component_template/zeebe-record",
        "/_data_stream",
        "/_ilm/policy/zeebe-record-retention-policy",
        "/_index_template/zeebe-record_user-task_8.6.0",
        "/_license",
        "/_nodes/http",
        "/_nodes/_all/info",
        "/_opendistro/_security/authinfo",
        "/_plugins/_ism/explain/zeebe-record",
        "/_security/_authenticate",
        "/_template/any",
        "/_xpack",
        "/favicon.ico",
        "/%E2%80%A8//..%2F",
    ],
)
async def test_unknown_questions(start, method, path):
    """An unknown GET request gets an empty success."""
    exporter = await start()

    reply = await exporter.ask(method, path)

    assert reply.status == 200
    assert reply.headers["X-Elastic-Product"] == "Elasticsearch"
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.body == (b"{}" if method == "GET" else b"")
    assert (await exporter.metrics())["ingest_answers_total 200"] == 1


async def test_a_question_in_any_type(start):
    """A GET request is answered with any content type."""
    exporter = await start()

    reply = await exporter.ask("GET", "/any", headers={"Content-Type": "text/plain"})

    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-ndjson",
        "application/json; charset=UTF-8",
        "application/vnd.elasticsearch+json;compatible-with=9",
        "APPLICATION/vnd.elasticsearch+x-ndjson; compatible-with=10",
        "application/vnd.opensearch+json",
        "application/octet-stream",
        "application/nonsense",
    ],
)
async def test_content_types_do_not_matter(start, backend, kind):
    """A bulk request is accepted with any usual content type."""
    exporter = await start()

    reply = await exporter.bulk(tasks(1), **{"Content-Type": kind})
    await eventually(lambda: backend.positions == [1])

    assert is_well_formed(reply)
    assert reply.json == bulk_answer(tasks(1).decode())


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "Text/Plain;charset=UTF-8",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "image/png",
        "nonsense",
    ],
)
async def test_what_web_pages_may_send(start, kind):
    """Content types that web pages can send are refused."""
    exporter = await start()

    reply = await exporter.bulk(tasks(1), **{"Content-Type": kind})

    assert explains_itself(reply, 415, "Content-Type", "application/x-ndjson")
    assert (await exporter.metrics())["spool_events"] == 0


@pytest.mark.parametrize(
    "origin", ["null", "http://127.0.0.1:9280", "https://a.example"]
)
async def test_requests_of_web_pages(start, origin):
    """All requests with an Origin header are refused."""
    exporter = await start()
    headers = {"Origin": origin, "Content-Type": "application/json"}

    replies = [
        await exporter.bulk(tasks(1), **headers),
        await exporter.ask("GET", "/", headers=headers),
        await exporter.ask("OPTIONS", "/_bulk", headers=headers),
    ]

    for reply in replies:
        assert explains_itself(reply, 403, "web pages", "Origin")
        assert not any("Access-Control" in name for name in reply.headers)
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
    records = [a_record(position) for position in range(1, 21)]
    actions = [
        {"_index": index, "_id": f"1-{record['position']}", "_source": record}
        for record in records
    ]
    actions[1]["_op_type"] = "create"
    actions.append({"_op_type": "delete", "_index": index, "_id": "1-1"})

    def talk():
        with connect(f"http://{exporter.ingest}") as client:
            tagline = client.info()["tagline"]
            return tagline, send(client, actions, chunk_size=7)

    tagline, result = await asyncio.to_thread(talk)
    await eventually(lambda: len(backend.positions) == 20)

    assert "not Elasticsearch" in tagline
    assert result == (21, [])
    assert backend.positions == list(range(1, 21))


@pytest.mark.parametrize("client", [elasticsearch8, elasticsearch9], ids=["8", "9"])
async def test_official_clients_at_startup(start, client):
    """The official clients accept the answers to an exporter's setup."""
    exporter = await start()

    def talk():
        with client.Elasticsearch(f"http://{exporter.ingest}") as elastic:
            return [
                elastic.ilm.put_lifecycle(name="policy", policy={"phases": {}}),
                elastic.cluster.put_component_template(name="z", template={}),
                elastic.indices.put_index_template(name="z", index_patterns="z*"),
                elastic.indices.put_settings(
                    index="z*", settings={}, allow_no_indices=True
                ),
            ]

    answers = await asyncio.to_thread(talk)

    assert [answer.body for answer in answers] == [ACKNOWLEDGED] * 4


@pytest.mark.parametrize("client", [elasticsearch8, elasticsearch9], ids=["8", "9"])
async def test_official_clients_may_ask(start, client):
    """The official clients accept the answers to their questions."""
    exporter = await start()

    def talk():
        with client.Elasticsearch(f"http://{exporter.ingest}") as elastic:
            return [
                elastic.cluster.health(),
                elastic.cluster.get_settings(),
                elastic.ilm.get_lifecycle(name="any"),
                elastic.indices.get_alias(index="z*"),
                elastic.indices.get_index_template(name="any"),
                elastic.indices.get_mapping(index="z*"),
                elastic.indices.get_settings(index="z*"),
                elastic.license.get(),
                elastic.nodes.info(),
                elastic.xpack.info(),
                elastic.cat.indices(format="json"),
            ], elastic.indices.exists(index="any")

    answers, exists = await asyncio.to_thread(talk)

    assert [answer.body for answer in answers] == [{}] * len(answers)
    assert exists


async def test_hundreds_of_requests_on_one_socket(start, backend):
    """The connection of a broker stays open."""
    exporter = await start()

    async with connected(exporter.ingest) as wire:
        for position in range(1, 301):
            body = tasks(position)
            reply = await wire.ask(
                POST + b"Content-Length: %d\r\n\r\n" % len(body), body
            )
            assert reply.status == 200
    await eventually(lambda: len(backend.positions) == 300)

    assert sorted(backend.positions) == list(range(1, 301))


async def test_what_is_no_http(start, caplog):
    """Invalid data on the port is answered and not logged, and the port still works."""
    exporter = await start()
    caplog.set_level("INFO")
    caplog.clear()

    async with connected(exporter.ingest) as wire:
        await wire.send(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        reply = await wire.reply()

    assert reply.status == 400
    assert caplog.records == []
    assert (await exporter.ask("GET", "/")).status == 200
