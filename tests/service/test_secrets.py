"""Whatever part of an answer repeats our secrets, we never repeat them."""

import asyncio
import base64
import gzip
import html
import json
import logging
import random
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import pytest

from devkit.waiting import eventually
from exporter.commands import check
from exporter.delivery import empty
from exporter.logs import JsonFormatter
from tests.records import instance, tasks
from tests.service.tokens import TokenStub

ROUNDS = 100
API_KEY, PASSWORD, QUERY = "key-0pQ7 m<x&2", "pass-Lk9wZ4%t", "query-8hTr5vNb"
CLIENT, PROXY = "client-Xy3Jd6sQ", "proxy-Bn2Vc8fK"
TOKEN = "token-Fg7Hs2Lm"
KEY = base64.b64encode(b"signing with at least 24 bytes").decode()
BASIC = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
TO_PROXY = base64.b64encode(f"ann:{PROXY}".encode()).decode()
OURS = [API_KEY, PASSWORD, BASIC, QUERY, KEY]
WINDOW = 8
"""So many characters of a secret are too many."""

FORMS = [
    lambda text: text,
    quote,
    html.escape,
    lambda text: json.dumps({"you sent": text}),
    lambda text: f"{text}{text}",
    lambda text: json.dumps(text).replace("/", r"\/").replace("&", r"\u0026"),
]
HEAD = b"HTTP/1.1 S No\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
ANSWERS = [
    b"%s",
    b"%s\r\n\r\n",
    b"HTTP/1.1 %s\r\n\r\n",
    b"%s 200 OK\r\n\r\n",
    b"HTTP/1.1 S %s\r\n\r\n",
    HEAD + b"%s: a\r\n\r\n",
    HEAD + b"X-A: b\r\n%s\r\n\r\n",
    HEAD + b"Set-Cookie: %s\r\nX-API-KEY: %s\r\nX-A: b\r\n\r\n",
    HEAD + b"Location: https://%s:%s@%s/%s?%s#%s\r\n\r\n",
    HEAD + b"Location: http://[%s\r\n\r\n",
    HEAD + b"Location: /%s\r\n\r\n",
    HEAD + b"Retry-After: %s\r\nDate: %s\r\n\r\n%s",
    HEAD + b"Content-Encoding: %s\r\n\r\n%s",
    HEAD + b"Content-Length: %s\r\n\r\n%s",
    HEAD + b"Content-Length: 5\r\n\r\n%s",
    HEAD + b"Transfer-Encoding: %s\r\n\r\n%s",
    CHUNKED + b"\r\n%s\r\n",
    CHUNKED + b"\r\n2;%s\r\nok\r\n%s\r\n",
    CHUNKED + b"\r\n0\r\n%s: b\r\n\r\n",
    HEAD + b"\r\n%s",
    HEAD + b'\r\n{"access_token": "%s", "token_type": "%s"}',
    HEAD + b'\r\n{"error": "%s"}',
    HEAD + b"Content-Encoding: gzip\r\n\r\nGZIP",
    CHUNKED + b"\r\nCHUNKS0\r\n\r\n",
]
STATUSES = [b"200", b"101", b"302", b"400", b"401", b"407", b"422", b"503", b"999"]


def answers(seed, secrets):
    """Yield answers that hold *secrets*, some of them cut off."""
    dice = random.Random(seed)  # noqa: S311
    while True:
        form = dice.choice(ANSWERS).replace(b"S", dice.choice(STATUSES), 1)
        spelled = dice.choice(FORMS)(dice.choice(secrets)).encode()
        chunks = b"".join(b"1\r\n%c\r\n" % each for each in spelled)
        answer = form.replace(b"%s", spelled).replace(b"CHUNKS", chunks)
        answer = answer.replace(b"GZIP", gzip.compress(spelled))
        yield answer[: dice.choice([None, None, dice.randrange(1, len(answer) + 1)])]


@asynccontextmanager
async def peer(seed, *secrets):
    """Run a server that accepts only every other event; yield its port."""
    plan = answers(seed, secrets)

    async def answer(reader, writer):
        with suppress(asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            _, _, length = head.partition("content-length: ")
            await reader.readexactly(int(length.split("\r\n")[0] or 0))
            _, _, ids = head.partition("x-event-ids: 1-")
            takes = ids and int(ids.split("-")[0]) % 2
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" if takes else next(plan))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def leaks(*texts):
    """Return the parts of secrets that are in *texts*."""
    parts = {
        secret[start : start + WINDOW]
        for secret in [*OURS, CLIENT, TOKEN, PROXY, TO_PROXY]
        for start in range(len(secret) - WINDOW + 1)
    }
    return [part for part in parts for text in texts if part in text]


def written(records):
    """Return *records* as a log has them."""
    return "\n".join(map(JsonFormatter().format, records))


def settings(port, **more):
    """Return settings that hold the secrets, of a backend at *port*."""
    return {
        "url": f"http://127.0.0.1:{port}/?token={QUERY}",
        "api_key": API_KEY,
        "headers": f"X-Basic: Basic {BASIC}",
        "signing_secrets": f"whsec_{KEY}",
    } | more


@pytest.fixture
def leaky(connect, caplog):
    """Return a function that posts again and again, and finds leaks in the results."""
    caplog.set_level(logging.DEBUG)

    async def post(**changes):
        async with connect(**changes) as backend:
            shown = [repr(await backend.post(empty())) for _ in range(ROUNDS)]
        assert len({text.partition("'")[2] for text in shown}) > 10
        return leaks(*shown, written(caplog.records))

    return post


@pytest.mark.parametrize("seed", range(3))
async def test_answers_of_a_backend(leaky, seed):
    """Secrets in any part of an answer are neither in its reason nor its excerpt."""
    async with peer(seed, *OURS) as port:
        assert await leaky(**settings(port)) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_answers_of_a_proxy(leaky, scheme):
    """The password of a proxy is hidden, too."""
    async with peer(scheme, *OURS, PROXY, TO_PROXY) as port:
        proxies = {scheme: f"http://ann:{PROXY}@127.0.0.1:{port}"}
        url = f"{scheme}://backend.example/?token={QUERY}"
        assert await leaky(**settings(port, url=url, proxies=proxies)) == []


async def test_secrets_of_oauth_in_the_answer_of_a_backend(leaky):
    """A token is hidden, and also secrets that only the token endpoint gets."""
    async with peer("client", CLIENT, TOKEN) as port, TokenStub() as tokens:
        tokens.secret, tokens.fields = CLIENT, {"access_token": TOKEN}
        client = tokens.settings | {"oauth_client_secret": CLIENT}
        assert await leaky(url=f"http://127.0.0.1:{port}/", **client) == []


async def test_answers_of_a_token_endpoint(leaky, backend):
    """The client's secret and the query of the URL are hidden."""
    backend.answer = 401
    async with peer("tokens", CLIENT, QUERY) as port:
        client = TokenStub().settings | {
            "oauth_client_secret": CLIENT,
            "oauth_authorization_server_url": f"http://127.0.0.1:{port}/?t={QUERY}",
        }
        assert await leaky(**client) == []


@pytest.mark.slow
async def test_all_that_operators_read(start, monkeypatch, tmp_path, caplog):
    """Log, status, metrics, dead letters and `check` are without secrets as well."""
    caplog.set_level(logging.DEBUG)
    async with peer("service", *OURS) as port:
        bad = settings(port)
        exporter = await start(**bad, batch_size=1)
        for position in range(1, 21):
            await exporter.bulk(tasks(position, value=instance(position)))
        await eventually(
            lambda: exporter.lines.saying("events became dead letters"), within=30
        )
        token = (tmp_path / "spool" / "admin.token").read_text("utf-8").strip()
        pages = [
            (await exporter.demand("GET", path, token)).body.decode()
            for path in ("/status", "/metrics", "/dead-letters")
        ]
        for name, value in (bad | {"spool_dir": tmp_path / "new"}).items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name.upper()}", str(value))
        for _ in range(5):
            pages += [str(finding) async for finding in check.findings()]

    assert "(hidden)" in "".join(pages)
    assert leaks(*pages, written(exporter.lines.records), written(caplog.records)) == []
