"""Requests carry a token, which is fetched once and in time."""

import asyncio
import base64

import pytest

from devkit.backend import Answer
from devkit.clock import Clock
from devkit.waiting import eventually
from exporter.delivery import empty
from exporter.delivery.outcome import Failure
from tests.records import tasks
from tests.service.tokens import TokenStub

REFUSED = Failure.TOKEN_REFUSED
NONE = (REFUSED, "the answer has no token")


@pytest.fixture
async def tokens():
    """Return the token endpoint."""
    async with TokenStub() as tokens:
        yield tokens


@pytest.fixture
def now(monkeypatch):
    """Return the clock that tokens end by."""
    now = Clock(5000.0)
    monkeypatch.setattr("exporter.connect.clock", now)
    return now


def sent(stub):
    """Return the credentials of every request, oldest first."""
    return [request.headers.get("Authorization") for request in stub.requests]


def fetches():
    """Return the tasks that fetch a token."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "token"]


@pytest.mark.parametrize(
    "parameters, kind",
    [
        ({}, None),
        ({}, "bearer"),
        ({"audience": "api", "scope": "a b", "resource": "r"}, "DPoP"),
    ],
)
async def test_a_token(connect, backend, tokens, parameters, kind):
    """The form has all parameters that are set, and the token the server's type."""
    tokens.fields = {"token_type": kind}
    named = {f"oauth_{name}": value for name, value in parameters.items()}
    async with connect(**tokens.settings, **named) as there:
        await there.post(empty())

    assert sent(backend) == ["DPoP token-1" if kind == "DPoP" else "Bearer token-1"]
    client = {"client_id": "exporter", "client_secret": "hunter2"}
    assert tokens.forms == [{"grant_type": "client_credentials"} | client | parameters]


async def test_one_fetch_for_all_requests(connect, backend, tokens):
    """However many requests wait for the first token, one fetch serves them all."""
    tokens.gate = asyncio.Event()
    async with connect(**tokens.settings) as there:
        posts = [asyncio.create_task(there.post(empty())) for _ in range(8)]
        await eventually(lambda: tokens.forms)
        tokens.gate.set()
        await asyncio.gather(*posts)

    assert len(tokens.forms) == 1
    assert sent(backend) == ["Bearer token-1"] * 8


@pytest.mark.parametrize(
    "life",
    [
        ({"expires_in": 3600}, 3540, 3570),
        ({"expires_in": "3600"}, 3540, 3570),
        ({}, 240, 270),
        ({"expires_in": "soon"}, 240, 270),
        ({"expires_in": -1}, 240, 270),
        ({"expires_in": 20}, 5, 10),
    ],
)
async def test_the_life_of_a_token(connect, backend, tokens, now, life):
    """It is used until shortly before its end; the next one is fetched before that."""
    tokens.fields, refreshed, ended = life
    begin = now.seconds
    async with connect(**tokens.settings) as there:
        for seconds in (0, refreshed - 0.1):
            now.seconds = begin + seconds
            await there.post(empty())
        kept = len(tokens.forms)
        tokens.gate = asyncio.Event()
        now.seconds = begin + refreshed
        await there.post(empty())  # doesn't wait for the fetch
        await eventually(lambda: len(tokens.forms) == 2)
        now.seconds = begin + ended - 0.1
        await there.post(empty())
        tokens.gate.set()
        now.seconds = begin + ended
        await there.post(empty())

    assert (kept, len(tokens.forms)) == (1, 2)
    assert sent(backend) == ["Bearer token-1"] * 4 + ["Bearer token-2"]


async def test_a_refresh_that_fails(connect, backend, tokens, now):
    """While the old token lives nothing waits, and the endpoint isn't asked often."""
    async with connect(**tokens.settings) as there:
        await there.post(empty())
        tokens.status = 503
        now.seconds += 3545
        await there.post(empty())
        await eventually(lambda: len(tokens.forms) == 2)
        await eventually(lambda: not fetches())
        await there.post(empty())
        calm = len(tokens.forms)
        now.seconds += 5
        tokens.status = 200
        await there.post(empty())
        await eventually(lambda: len(tokens.forms) == 3)

    assert calm == 2
    assert sent(backend) == ["Bearer token-1"] * 4


@pytest.mark.parametrize("refused", ["Bearer token-1", "Bearer"])
async def test_a_token_that_is_refused(connect, backend, tokens, refused):
    """A refused token is replaced at once; an attempt makes at most two requests."""
    backend.answer = lambda post: (
        401 if post.headers["Authorization"].startswith(refused) else 200
    )
    async with connect(**tokens.settings) as there:
        answer = await there.post(empty())

    assert answer.status == (200 if refused == "Bearer token-1" else 401)
    assert sent(backend) == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    "status, fields, why",
    [
        (401, {"error": "invalid_client"}, (REFUSED, "401 invalid_client")),
        (400, {"error": "hunter2"}, (REFUSED, "400")),
        (302, {}, (REFUSED, "302")),
        (429, {}, (Failure.TOKEN, "429")),
        (503, {"error": ["hunter2"]}, (Failure.TOKEN, "503")),
        (200, {"access_token": ""}, NONE),
        (200, {"access_token": 7}, NONE),
        (200, {"access_token": "a\r\nb"}, NONE),
        (200, {"token_type": "N/A"}, NONE),
        (200, b"", NONE),
        (200, b"<html>", NONE),
        (200, b"[]", NONE),
    ],
    ids=str,
)
async def test_no_token(connect, backend, status, fields, why):
    """Without a token nothing is sent, and the reason has no secrets."""
    failure, reason = why
    async with TokenStub() as tokens:
        tokens.status, tokens.fields = status, fields
        tokens.headers["Location"] = backend.url
        if isinstance(fields, bytes):
            tokens.answer = Answer(status, body=fields)
        async with connect(**tokens.settings) as there:
            answer = await there.post(empty())

    assert backend.requests == []
    assert (answer.status, answer.failure) == (None, failure)
    assert answer.detail == f"no token from 127.0.0.1: {reason}"


async def test_a_token_endpoint_that_is_down(start, backend, tokens):
    """Events wait for a token, and are sent as soon as there is one."""
    tokens.status = 503
    exporter = await start(**tokens.settings)

    await exporter.bulk(tasks(1))
    trouble = await exporter.trouble()
    tokens.status = 200
    await eventually(lambda: backend.positions == [1])

    assert trouble.outcome == "postponed"
    assert "token endpoint" in trouble.remedy
    assert len(sent(backend)) == 1


async def test_a_token_endpoint_that_is_silent(connect, backend, tokens):
    """A fetch takes no longer than its two settings allow."""
    tokens.gate = asyncio.Event()
    made = connect(
        **tokens.settings, oauth_connect_timeout_ms=30, oauth_read_timeout_ms=30
    )
    async with made as there:
        answer = await there.post(empty())

    assert answer.failure is Failure.TOKEN
    assert backend.requests == []


async def test_a_server_that_wants_a_header(connect, backend, tokens, now):
    """If the client in the form is refused, its id and secret are sent in a header."""
    tokens.basic = True
    settings = tokens.settings | {"oauth_client_secret": "hunter2: 1+1"}
    async with connect(**settings, oauth_scope="events") as there:
        await there.post(empty())
        now.seconds += 4000
        await there.post(empty())

    assert sent(backend) == ["Bearer token-2", "Bearer token-3"]
    encoded = base64.b64encode(b"exporter:hunter2%3A+1%2B1").decode()
    assert sent(tokens) == [None, f"Basic {encoded}", f"Basic {encoded}"]
    assert tokens.forms[1] == {"grant_type": "client_credentials", "scope": "events"}


async def test_a_client_that_is_unknown(connect, tokens):
    """Both ways are tried each time, so that a change at the server is noticed."""
    tokens.status, tokens.fields = 401, {"error": "invalid_client"}
    async with connect(**tokens.settings) as there:
        first, second = await there.post(empty()), await there.post(empty())
        tokens.status, tokens.fields = 200, {}
        third = await there.post(empty())

    assert first == second
    assert third.status == 200
    basic = [header is not None for header in sent(tokens)]
    assert basic == [False, True, False, True, False]


async def test_a_secret_that_was_wrong(start, backend, tokens, tmp_path):
    """A new secret in its file is used at once, and blocked events are sent."""
    file = tmp_path / "secret"
    file.write_text("hunter2", encoding="utf-8")
    tokens.secret = "right"
    exporter = await start(**tokens.settings, files={"oauth_client_secret": file})
    await exporter.bulk(tasks(1))
    trouble = await exporter.trouble()

    file.write_text("right\n", encoding="utf-8")
    await eventually(lambda: backend.positions == [1])

    assert trouble.outcome == "blocked"
    assert "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET" in trouble.remedy
    assert tokens.forms[-1]["client_secret"] == "right"
    assert "hunter2" not in str([vars(each) for each in exporter.lines.records])


async def test_a_token_of_another_secret(connect, backend, tokens, tmp_path):
    """A token from before a change of the credentials isn't used any more."""
    file = tmp_path / "secret"
    file.write_text("hunter2", encoding="utf-8")
    made = connect(**tokens.settings, files={"oauth_client_secret": file})
    async with made as there:
        await there.post(empty())
        tokens.secret = "other"
        file.write_text("other", encoding="utf-8")
        changed = there.credentials_changed()
        await there.post(empty())

    assert changed
    assert sent(backend) == ["Bearer token-1", "Bearer token-2"]


async def test_an_end_during_a_fetch(connect, backend, tokens):
    """A fetch in progress ends with its backend."""
    tokens.gate = asyncio.Event()
    async with connect(**tokens.settings) as there:
        post = asyncio.create_task(there.post(empty()))
        await eventually(lambda: tokens.forms)
        (fetch,) = fetches()
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)

    assert fetch.cancelled()
    assert backend.requests == []
