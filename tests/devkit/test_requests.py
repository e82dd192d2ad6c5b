"""Requests equal those of real exporters and clients, byte for byte."""

import json

import pytest

from devkit import requests
from devkit.backend import Answer
from devkit.requests import WIRE, RequestBuilder, recorded
from tests.devkit.exporters import ELASTICSEARCH, OPENSEARCH, one
from tests.records import a_record

JSON = {"content-type": "application/json"}
PRODUCT = JSON | {"x-elastic-product": "Elasticsearch"}
ITEM = {"_index": "i", "_id": "1-1", "status": 201}
WHOLE = {"took": 0, "errors": False, "items": [{"index": ITEM}]}


def client(version, *, kind=ELASTICSEARCH, port=29206, **arguments):
    """Return the client of an exporter that sends to a port."""
    url = f"http://127.0.0.1:{port}"
    return RequestBuilder(one(version, kind=kind, URL=url, **arguments))


def test_startup_of_elasticsearch():
    """The 8.6.0 exporter starts with the 34 recorded requests."""
    sender = client("8.6.0", port=29200, INDEX_JOBBATCH="true")

    assert list(sender.startup("8.6.0")) == recorded(requests.STARTUP)


def test_startup_of_opensearch():
    """The 8.6.0 exporter for OpenSearch starts with the recorded requests."""
    types = one("8.6.0").flags - {"USER_TASK", "EVENT"}
    off = {f"INDEX_{kind.replace('_', '')}": "false" for kind in types}
    sender = client("8.6.0", kind=OPENSEARCH, port=29208, **off)

    first, *others = sender.startup("8.6.0")
    assert [first, *others] == recorded(requests.OPENSEARCH)[:4]
    assert sender.problem(first, Answer(404, JSON, b"{}")) is None
    assert "isn't imitated" in sender.problem(first, Answer(200, JSON, b"{}"))


@pytest.mark.parametrize("number", range(12))
def test_bulk(number):
    """A record of 8.6.0 becomes the recorded bulk request."""
    request = recorded(requests.BULK)[number]
    record = json.loads(request.body.splitlines()[1])
    sender = client("8.6.0", port=29200)

    assert sender.bulk(sender.lines(record, record["sequence"] - (1 << 51))) == request


def test_documents():
    """Characters beyond 16 bits are escaped in documents of 8.6.0, as recorded."""
    text = (WIRE.parent / "8.6.0" / "user-task.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in text.split("\n") if line]
    sender = client("8.6.0")

    lines = [sender.lines(x, x["sequence"] - (x["partitionId"] << 51)) for x in records]
    assert [document for _, document in lines] == text.split("\n")[: len(records)]
    assert r"\uD83D\uDE80" in text


@pytest.mark.parametrize("version, first", [("8.9.0", 0), ("8.10.0", 5)])
def test_typed_client(version, first):
    """From 8.9 on, headers, actions and bodies have the form of a typed client."""
    _, template, settings, _, bulk = recorded(requests.TYPED)[first : first + 5]
    sender = client(version)

    *others, last = sender.startup("8.9.0")
    (task,) = [request for request in others if request.path == template.path]
    action, _ = sender.lines(a_record(0, brokerVersion="8.9.0"), 1)

    assert last == settings
    assert task.headers == bulk.headers
    body = json.loads(task.body)
    assert list(body) == list(json.loads(template.body))
    assert body["composed_of"] == ["zeebe-record-8.9.0"]
    assert body["template"]["settings"]["number_of_shards"] == "3"
    lines = bulk.body.decode().splitlines()
    assert action == lines[0]
    assert sender.bulk(lines) == bulk


def test_typed_opensearch_client():
    """In 8.10, OpenSearch gets the headers of its typed client."""
    (request,) = recorded(requests.TYPED_OPENSEARCH)

    sent = client("8.10.0", kind=OPENSEARCH).bulk(request.body.decode().splitlines())
    assert sent == request


@pytest.mark.parametrize(
    "version, agent, component, pattern",
    [
        ("8.5.8", "8.9.2", "zr", "zr*"),
        ("8.7.0", "8.13.4", "zr", "zr*"),
        ("8.8.0", "8.13.4", "zr-8.8.0", "zr*"),
        ("8.9.0", "8.19.11", "zr-8.8.0", "zr_*"),
    ],
)
def test_names(version, agent, component, pattern):
    """Templates and indices have the record's version, not the broker's."""
    written = "8.8.0" if version > "8.8" else version
    sender = client(version, INDEX_PREFIX="zr")
    sent = {request.path: request for request in sender.startup(written)}
    action, _ = sender.lines(a_record(brokerVersion=written), 1)

    first, *others, last = sent
    assert first == f"/_component_template/{component}"
    assert f"/_index_template/zr_user-task_{written}" in others
    assert last == f"/{pattern}/_settings?allow_no_indices=true"
    assert f"java/{agent} " in dict(sent[last].headers)["User-Agent"]
    assert json.loads(action)["index"]["_index"] == f"zr_user-task_{written}_2026-11-23"


CLIENTS = (("8.6.0", ELASTICSEARCH), ("8.9.0", ELASTICSEARCH), ("8.10.0", OPENSEARCH))
WITHOUT = [{x: WHOLE[x] for x in WHOLE if x != name} for name in WHOLE]
WITHOUT += [
    WHOLE | {"items": [{"create": {x: ITEM[x] for x in ITEM if x != name}}]}
    for name in ("_index", "status")
]
HTML = PRODUCT | {"content-type": "text/html"}


@pytest.mark.parametrize(
    "status, headers, body, takes",
    [
        (200, PRODUCT, WHOLE, "yyy"),
        (201, PRODUCT, WHOLE | {"more": 1, "items": []}, "yyy"),
        (200, JSON, WHOLE, "yny"),
        (200, HTML, WHOLE, "yny"),
        *((200, PRODUCT, each, "ynn") for each in ({}, *WITHOUT)),
        (200, PRODUCT, WHOLE | {"errors": True}, "nnn"),
        (200, PRODUCT, [], "nnn"),
        (200, PRODUCT, None, "nnn"),
        *((status, PRODUCT, WHOLE, "nnn") for status in (302, 400, 413, 429, 503)),
    ],
)
def test_answers(status, headers, body, takes):
    """Only a 2xx with JSON is a success; newer clients also require its fields."""
    content = b"" if body is None else json.dumps(body).encode()

    for (version, kind), letter in zip(CLIENTS, takes, strict=True):
        sender = client(version, kind=kind)
        problem = sender.problem(sender.bulk(["{}"]), Answer(status, headers, content))
        assert (problem is None) == (letter == "y"), version
