"""Requests carry a token, which is fetched once, in time, and by nobody's waiting."""

import asyncio
import base64

import pytest

from devkit.backend import Answer
from devkit.clock import Clock
from devkit.waiting import eventually
from exporter.delivery import empty
from exporter.delivery.outcome import Failure
from tests.records import instance, tasks
from tests.service.tokens import TokenStub

NONE = (Failure.TOKEN_REFUSED, "the answer has no token")


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


def sent(backend):
    """Return the credentials of every post, oldest first."""
    return [post.headers.get("Authorization") for post in backend.requests]


async def test_a_token(start, backend, tokens):
    """The client is known by a form, and the events come with its token."""
    exporter = await start(
        **tokens.settings, oauth_audience="api", oauth_scope="a b", oauth_resource="r"
    )

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert sent(backend) == ["Bearer token-1"]
    assert tokens.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": "exporter",
            "client_secret": "hunter2",
            "audience": "api",
            "scope": "a b",
            "resource": "r",
        }
    ]


async def test_what_is_not_set_is_not_asked_for(connect, backend, tokens):
    """Audience, scope and resource are in the form only where they are set."""
    async with connect(**tokens.settings) as there:
        await there.post(empty())

    assert sorted(tokens.forms[0]) == ["client_id", "client_secret", "grant_type"]
    assert len(backend.requests) == 1


async def test_one_fetch_for_all_slots(start, backend, tokens):
    """However many requests wait for the first token, one fetch serves them all."""
    tokens.gate = asyncio.Event()
    exporter = await start(**tokens.settings, max_batches_in_flight=8, batch_size=1)

    for number in range(1, 9):
        await exporter.bulk(tasks(number, value=instance(number)))
    await eventually(lambda: tokens.forms)
    tokens.gate.set()
    await eventually(lambda: len(backend.positions) == 8)

    assert len(tokens.forms) == 1
    assert set(sent(backend)) == {"Bearer token-1"}


@pytest.mark.parametrize(
    "life",
    [
        ({"expires_in": 3600}, 3540, 3570),
        ({"expires_in": "3600"}, 3540, 3570),
        ({}, 240, 270),
        ({"expires_in": None}, 240, 270),
        ({"expires_in": "soon"}, 240, 270),
        ({"expires_in": -1}, 240, 270),
        ({"expires_in": 20}, 5, 10),
    ],
)
async def test_the_life_of_a_token(connect, backend, tokens, now, life):
    """It is used until shortly before its end; its successor is fetched before that."""
    tokens.fields, refreshed, ended = life
    begin = now.seconds
    async with connect(**tokens.settings) as there:
        now.seconds = begin
        await there.post(empty())
        now.seconds = begin + refreshed - 0.1
        await there.post(empty())
        kept = len(tokens.forms)
        tokens.gate = asyncio.Event()
        now.seconds = begin + refreshed
        await there.post(empty())  # isn't held up by the fetch
        await eventually(lambda: len(tokens.forms) == 2)
        now.seconds = begin + ended - 0.1
        await there.post(empty())
        tokens.gate.set()
        now.seconds = begin + ended
        await there.post(empty())

    assert kept == 1
    assert len(tokens.forms) == 2
    assert sent(backend) == ["Bearer token-1"] * 4 + ["Bearer token-2"]


async def test_a_refresh_that_fails(connect, backend, tokens, now):
    """As long as the old token lives nothing is held up, and nobody is pestered."""
    async with connect(**tokens.settings) as there:
        await there.post(empty())
        tokens.status = 503
        now.seconds += 3545
        for _ in range(5):
            assert (await there.post(empty())).status == 200
            await eventually(lambda: len(tokens.forms) == 2)
        await eventually(
            lambda: (
                not [task for task in asyncio.all_tasks() if task.get_name() == "token"]
            )
        )
        assert (await there.post(empty())).status == 200
        calm = len(tokens.forms)
        now.seconds += 5
        tokens.status = 200
        await there.post(empty())
        await eventually(lambda: len(tokens.forms) == 3)

    assert calm == 2
    assert set(sent(backend)) == {"Bearer token-1"}


async def test_a_token_that_was_revoked(start, backend, tokens):
    """A token the backend doesn't take is replaced within the same attempt."""
    backend.answer = lambda post: (
        401 if post.headers["Authorization"] == "Bearer token-1" else 200
    )
    exporter = await start(**tokens.settings)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert sent(backend) == ["Bearer token-1", "Bearer token-2"]
    assert exporter.lines.saying("batch not delivered") == []


async def test_a_backend_that_takes_no_token(connect, backend, tokens):
    """An attempt makes two requests at most, and says that it was refused."""
    backend.answer = 401
    async with connect(**tokens.settings) as there:
        answer = await there.post(empty())

    assert answer.status == 401
    assert sent(backend) == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    "said, why",
    [
        (
            (401, {"error": "invalid_client"}),
            (Failure.TOKEN_REFUSED, "401 invalid_client"),
        ),
        ((400, {"error": "hunter2"}), (Failure.TOKEN_REFUSED, "400")),
        ((404, {}), (Failure.TOKEN_REFUSED, "404")),
        ((302, {}), (Failure.TOKEN_REFUSED, "302")),
        ((429, {}), (Failure.TOKEN, "429")),
        ((503, {"error": ["hunter2"]}), (Failure.TOKEN, "503")),
        ((200, {"access_token": ""}), NONE),
        ((200, {"access_token": "a\r\nb"}), NONE),
        ((200, {"token_type": "N/A"}), NONE),
    ],
    ids=str,
)
async def test_no_token(connect, backend, tokens, said, why):
    """Without a token nothing is sent; why there is none is said without secrets."""
    tokens.status, tokens.fields = said
    failure, reason = why
    tokens.headers["Location"] = backend.url
    async with connect(**tokens.settings) as there:
        answer = await there.post(empty())

    assert backend.requests == []
    assert (answer.status, answer.failure) == (None, failure)
    assert answer.detail == f"no token from 127.0.0.1: {reason}"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"\xff"])
async def test_an_answer_that_is_no_json(connect, backend, tokens, body):
    """What is behind a wrong URL is the setup's fault."""
    tokens.answer = Answer(200, body=body)
    async with connect(**tokens.settings) as there:
        answer = await there.post(empty())

    assert answer.failure is Failure.TOKEN_REFUSED
    assert backend.requests == []


async def test_a_token_endpoint_that_is_down(start, backend, tokens):
    """Events wait for a token, and go as soon as there is one."""
    tokens.status = 503
    exporter = await start(**tokens.settings)

    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))
    tokens.status = 200
    await eventually(lambda: backend.positions == [1])

    assert line.outcome == "postponed"
    assert "token endpoint" in line.remedy
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
    """Where the form's client is refused its id and secret go into a header."""
    tokens.basic = True
    settings = tokens.settings | {"oauth_client_secret": "hunter2: 1+1"}
    async with connect(**settings, oauth_scope="events") as there:
        await there.post(empty())
        now.seconds += 4000
        await there.post(empty())

    assert sent(backend) == ["Bearer token-2", "Bearer token-3"]
    encoded = base64.b64encode(b"exporter:hunter2%3A+1%2B1").decode()
    said = [request.headers.get("Authorization") for request in tokens.requests]
    assert said == [None, f"Basic {encoded}", f"Basic {encoded}"]
    assert tokens.forms[1] == {"grant_type": "client_credentials", "scope": "events"}


async def test_a_client_that_nobody_knows(connect, tokens):
    """Both ways are tried each time, so that a change at the server is noticed."""
    tokens.status, tokens.fields = 401, {"error": "invalid_client"}
    async with connect(**tokens.settings) as there:
        first, second = await there.post(empty()), await there.post(empty())
        tokens.status, tokens.fields = 200, {}
        third = await there.post(empty())

    assert first == second
    assert first.detail == "no token from 127.0.0.1: 401 invalid_client"
    assert third.status == 200
    basic = ["Authorization" in request.headers for request in tokens.requests]
    assert basic == [False, True, False, True, False]


async def test_a_secret_that_was_wrong(start, backend, tokens, tmp_path):
    """A new secret in its file is used at once, and what was blocked goes out."""
    file = tmp_path / "secret"
    file.write_text("hunter2", encoding="utf-8")
    tokens.secret = "right"
    exporter = await start(**tokens.settings, files={"oauth_client_secret": file})
    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    file.write_text("right\n", encoding="utf-8")
    await eventually(lambda: backend.positions == [1])

    assert line.outcome == "blocked"
    assert "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET" in line.remedy
    assert tokens.forms[-1]["client_secret"] == "right"
    assert "hunter2" not in str([vars(each) for each in exporter.lines.records])


async def test_a_token_of_another_secret(connect, backend, tokens, tmp_path):
    """A token that was got with other credentials isn't used any more."""
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


@pytest.mark.parametrize(
    "kind, sent_as", [("bearer", "Bearer"), ("DPoP", "DPoP"), (None, "Bearer")]
)
async def test_types_of_tokens(connect, backend, tokens, kind, sent_as):
    """The type is the server's, Bearer by default and always in this spelling."""
    tokens.fields = {"token_type": kind}
    async with connect(**tokens.settings) as there:
        await there.post(empty())

    assert sent(backend) == [f"{sent_as} token-1"]


async def test_an_end_during_a_fetch(connect, backend, tokens):
    """A fetch under way ends with everything else."""
    tokens.gate = asyncio.Event()
    async with connect(**tokens.settings) as there:
        post = asyncio.create_task(there.post(empty()))
        await eventually(lambda: tokens.forms)
        (fetch,) = (each for each in asyncio.all_tasks() if each.get_name() == "token")
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)

    assert fetch.cancelled()
    assert backend.requests == []
