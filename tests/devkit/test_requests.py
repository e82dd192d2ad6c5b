"""Requests are, byte for byte, those that real exporters and clients sent."""

import json

import pytest

from devkit.connection import Answer
from devkit.requests import CHUNK, WIRE, Client
from tests.devkit.exporters import ELASTICSEARCH, OPENSEARCH, one
from tests.records import a_record

JSON = {"content-type": "application/json"}
PRODUCT = JSON | {"x-elastic-product": "Elasticsearch"}
ITEM = {"index": {"_index": "i", "_id": "1-1", "status": 201}}
WHOLE = {"took": 0, "errors": False, "items": [ITEM]}


def recorded(name):
    """Return the recorded requests: method, path, headers and body."""
    lines = (WIRE / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [
        (x["method"], x["path"], [tuple(y) for y in x["headers"]], x["body"].encode())
        for x in map(json.loads, lines)
    ]


def client(version, *, kind=ELASTICSEARCH, port=29206, **arguments):
    """Return the client of an exporter that sends to a port."""
    url = f"http://127.0.0.1:{port}"
    return Client(one(version, kind=kind, URL=url, **arguments))


def test_startup_of_elasticsearch():
    """The 8.6.0 exporter begins with the 34 requests that were recorded."""
    sender = client("8.6.0", port=29200, INDEX_JOBBATCH="true")

    assert list(sender.startup("8.6.0")) == recorded("es-exporter-8.6.0-startup")


def test_startup_of_opensearch():
    """The 8.6.0 exporter asks for a policy, and goes on as recorded without one."""
    flags = [
        kind.replace("_", "") for kind in one("8.6.0").types if kind != "USER_TASK"
    ]
    off = {f"INDEX_{flag}": "false" for flag in flags}
    sender = client("8.6.0", kind=OPENSEARCH, port=29208, **off)

    sent = [sender.policy(), *sender.startup("8.6.0")]
    assert sent == recorded("os-exporter-8.6.0-retention-off-startup")[:4]


def test_policy_that_should_not_be_there():
    """A policy is deleted, and the answer must say how that went."""
    sender = client("8.6.0", kind=OPENSEARCH)
    first, *_ = sender.startup("8.6.0", has_policy=True)

    assert (first.method, first.path) == ("DELETE", sender.policy().path)
    assert "result" in sender.problem(first, Answer(200, JSON, b"{}"))
    assert sender.problem(first, Answer(200, JSON, b'{"result":"deleted"}')) is None


@pytest.mark.parametrize("number", range(12))
def test_bulk(number):
    """A record of 8.6.0 becomes the bulk request that was recorded."""
    request = recorded("es-exporter-8.6.0-bulk")[number]
    record = json.loads(request[3].splitlines()[1])
    sender = client("8.6.0", port=29200)

    lines = sender.lines(record, record["sequence"] - (1 << 51))

    assert sender.bulk(lines) == request


@pytest.mark.parametrize("line", range(67))
def test_user_tasks_as_recorded(line):
    """Characters beyond 16 bits are escaped in documents of 8.6.0, as recorded."""
    text = (WIRE.parent / "8.6.0" / "user-task.jsonl").read_text("utf-8").split("\n")
    record = json.loads(text[line])

    count = record["sequence"] - (record["partitionId"] << 51)
    assert client("8.6.0").lines(record, count)[1] == text[line]


@pytest.mark.parametrize(
    "version, half",
    [("8.9.0", slice(5)), ("8.10.0", slice(5, 10))],
)
def test_typed_client(version, half):
    """From 8.9 on, headers, actions and shapes of bodies are a typed client's."""
    recordings = recorded("typed-es-client-8.19.11-and-9.2.5")[half]
    (_, _, headers, _), (_, _, _, template), settings, policy, bulk = recordings
    retention = {"RETENTION_ENABLED": "true", "RETENTION_POLICYNAME": "pol"}
    sender = client(version, **retention)

    sent = {request.path: request for request in sender.startup("8.9.0")}
    record = {"partitionId": 1, "valueType": "USER_TASK", "brokerVersion": "8.9.0"}
    record |= {"timestamp": 1_795_447_365_268, "position": 0}
    action, _ = sender.lines(record, 1)

    assert all(request.headers == headers for request in sent.values())
    assert sent[policy[1]] == policy
    assert sent[settings[1]].body == settings[3].replace(b"null", b'"pol"')
    assert list(sent)[1] == "/_component_template/zeebe-record-8.9.0"
    shape = json.loads(sent["/_index_template/zeebe-record_user-task_8.9.0"].body)
    assert list(shape) == list(json.loads(template))
    assert shape["composed_of"] == ["zeebe-record-8.9.0"]
    assert shape["template"]["settings"]["number_of_shards"] == "3"
    assert action == bulk[3].decode().splitlines()[0]
    assert sender.bulk([bulk[3].decode().rstrip("\n")]) == bulk


def test_typed_opensearch_client():
    """In 8.10 OpenSearch gets the headers of its typed client."""
    ((*_, headers, body),) = recorded("typed-os-client-3.4.0")
    sender = client("8.10.0", kind=OPENSEARCH)

    request = sender.bulk([body.decode().rstrip("\n")])

    assert (request.headers, request.body) == (headers, body)


def test_chunks():
    """A body in chunks ends with an empty one."""
    sent = client("8.6.0").bulk(["x" * CHUNK]).encoded()

    body = sent.partition(b"\r\n\r\n")[2]
    assert body == b"2000\r\n%b\r\n1\r\n\n\r\n0\r\n\r\n" % (b"x" * CHUNK)


@pytest.mark.parametrize(
    "version, component, pattern",
    [
        ("8.5.8", "zr", "zr*"),
        ("8.7.0", "zr", "zr*"),
        ("8.8.0", "zr-8.8.0", "zr*"),
        ("8.9.0", "zr-8.8.0", "zr_*"),
    ],
)
def test_names(version, component, pattern):
    """Templates and indices have the version of the record, not of the broker."""
    written = "8.8.0" if version > "8.8" else version
    sender = client(version, INDEX_PREFIX="zr")
    paths = [request.path for request in sender.startup(written)]
    action, _ = sender.lines(a_record(brokerVersion=written), 1)

    assert paths[0] == f"/_component_template/{component}"
    assert f"/_index_template/zr_user-task_{written}" in paths
    assert paths[-1] == f"/{pattern}/_settings?allow_no_indices=true"
    assert json.loads(action)["index"]["_index"] == f"zr_user-task_{written}_2026-11-23"


@pytest.mark.parametrize("version", ["8.6.0", "8.9.0"])
@pytest.mark.parametrize("kind", [ELASTICSEARCH, OPENSEARCH])
def test_credentials(version, kind):
    """User and password go with every request; what isn't ASCII becomes `?`."""
    both = {"AUTHENTICATION_USERNAME": "us", "AUTHENTICATION_PASSWORD": "pä"}
    half = {"AUTHENTICATION_USERNAME": "us"}

    wanted = ("Authorization", "Basic dXM6cD8=")
    assert wanted in client(version, kind=kind, **both).policy().headers
    names = [name for name, _ in client(version, kind=kind, **half).policy().headers]
    assert "Authorization" not in names


def without(name):
    """Return a good answer to a bulk without one of its fields."""
    if name in WHOLE:
        return {key: value for key, value in WHOLE.items() if key != name}
    item = {key: value for key, value in ITEM["index"].items() if key != name}
    return WHOLE | {"items": [{"index": item}]}


# What a client makes of the body of a 200: low-level, typed for Elasticsearch, typed
# for OpenSearch.
BODIES = {
    "whole": (WHOLE, "yyy"),
    "no items": (WHOLE | {"items": []}, "yyy"),
    "without took": (without("took"), "ynn"),
    "without errors": (without("errors"), "ynn"),
    "without items": (without("items"), "ynn"),
    "empty object": ({}, "ynn"),
    "item without _index": (without("_index"), "ynn"),
    "item without status": (without("status"), "ynn"),
    "item without _id": (without("_id"), "yyy"),
    "create": (WHOLE | {"items": [{"create": ITEM["index"]}]}, "yyy"),
    "more fields": (WHOLE | {"more": 1}, "yyy"),
    "errors": (WHOLE | {"errors": True}, "nnn"),
    "a list": ([], "nnn"),
}
CLIENTS = {
    "low": ("8.6.0", ELASTICSEARCH),
    "typed": ("8.9.0", ELASTICSEARCH),
    "typed OpenSearch": ("8.10.0", OPENSEARCH),
}


@pytest.mark.parametrize("who", CLIENTS)
@pytest.mark.parametrize("what", BODIES)
def test_bodies(who, what):
    """Newer clients insist on fields of an answer; older ones don't miss any."""
    version, kind = CLIENTS[who]
    sender = client(version, kind=kind)
    body, taken = BODIES[what]

    answer = Answer(200, PRODUCT, json.dumps(body).encode())
    problem = sender.problem(sender.bulk(["{}"]), answer)

    assert (problem is None) == (taken[list(CLIENTS).index(who)] == "y")


@pytest.mark.parametrize("who", CLIENTS)
@pytest.mark.parametrize(
    "answer, taken",
    [
        (Answer(201, PRODUCT, json.dumps(WHOLE).encode()), "yyy"),
        (Answer(200, JSON, json.dumps(WHOLE).encode()), "yny"),
        (Answer(200, PRODUCT | {"content-type": "text/html"}, b"<html>"), "nnn"),
        (Answer(200, PRODUCT, b""), "nnn"),
        (Answer(204, PRODUCT, b""), "nnn"),
        *((Answer(x, PRODUCT, b"{}"), "nnn") for x in (302, 400, 401, 413, 429, 503)),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.status),
)
def test_answers(who, answer, taken):
    """Only a 2xx with JSON is a success, for the newest only with the product."""
    version, kind = CLIENTS[who]
    sender = client(version, kind=kind)

    problem = sender.problem(sender.bulk(["{}"]), answer)

    assert (problem is None) == (taken[list(CLIENTS).index(who)] == "y")


def test_error_for_the_log():
    """What the server says about an error is in the line that the broker logs."""
    sender = client("8.6.0")
    problem = sender.problem(sender.bulk([]), Answer(429, JSON, b"the spool is full"))

    assert problem == "POST [/_bulk], status line [HTTP/1.1 429] the spool is full"
