"""Requests go through a proxy as the environment says."""

import os

import pytest

from devkit.backend import Backend, Stub
from devkit.processes import free_port
from devkit.proxy import Proxy
from devkit.waiting import eventually
from exporter.config import settings as environment
from exporter.delivery import Outcome, empty, outcome_of
from tests.configured import only_backend
from tests.records import tasks
from tests.service.certificates import authority_in, proof
from tests.service.tokens import PATH, TokenStub

SECRET = "hunter2"
ANN = "Proxy-Authorization: Basic YW5uOmh1bnRlcjI=\r\n"


@pytest.fixture
async def proxy(backend):
    """Return a proxy that leads to the backend, and its address."""
    async with Proxy(backend.port, http=True) as proxy:
        yield proxy, f"127.0.0.1:{proxy.port}"


def lines(proxy):
    """Return the first line of every request to *proxy*."""
    return [head.partition("\r\n")[0] for head in proxy.heads]


async def test_plain_http(start, backend, proxy):
    """The proxy gets whole requests to backend and token endpoint, with a password."""
    stub, address = proxy
    tokens = TokenStub()

    async def either(request):
        return await (tokens if request.path == PATH else backend).respond(request)

    client = tokens.settings | {
        "oauth_authorization_server_url": f"http://login.example{PATH}"
    }
    async with Stub(either) as server:
        stub.target = server.port
        exporter = await start(
            url="http://backend.example/events",
            proxies={"http": f"http://ann:{SECRET}@{address}"},
            **client,
        )

        await exporter.bulk(tasks(1))
        await eventually(lambda: backend.positions == [1])

    assert lines(stub) == [
        "POST http://login.example/oauth/token HTTP/1.1",
        "POST http://backend.example/events HTTP/1.1",
    ]
    assert all(ANN in head for head in stub.heads)


async def test_https(connect, proxy, tmp_path):
    """A request over TLS goes through a tunnel, and the backend sees no password."""
    stub, address = proxy
    authority, trusting = authority_in(tmp_path)
    async with Backend(tls=proof(authority, "backend.example")) as backend:
        stub.target = backend.port
        made = connect(
            url="https://backend.example/events",
            proxies={"https": f"ann:{SECRET}@{address}"},
            **trusting,
        )
        async with made as there:
            assert (await there.post(empty())).status == 200

    assert lines(stub) == ["CONNECT backend.example:443 HTTP/1.1"]
    assert ANN in stub.heads[0]
    assert "Proxy-Authorization" not in backend.requests[0].headers


@pytest.mark.parametrize(
    "answer, outcome, detail",
    [
        (b"HTTP/1.1 407 Who are you?\r\n\r\n", "blocked", "the proxy answers 407 "),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "postponed", "the proxy answers 502 "),
        (None, "postponed", "can't connect to 127.0.0.1:"),
    ],
)
async def test_a_proxy_that_refuses(connect, proxy, answer, outcome, detail):
    """A refusal of the proxy isn't about the batch; the reason has no password."""
    stub, _ = proxy
    stub.answer = answer
    port = stub.port if answer else free_port()
    made = connect(
        url="https://backend.example/events",
        proxies={"https": f"http://ann:{SECRET}@127.0.0.1:{port}"},
    )
    async with made as there:
        found = await there.post(empty())

    assert outcome_of(found) is Outcome(outcome)
    assert found.detail.startswith(detail)
    assert SECRET not in f"{found}"


async def test_from_the_environment(monkeypatch, connect, backend, proxy, tmp_path):
    """The usual variables are read; passwords in ~/.netrc are never sent."""
    stub, address = proxy
    (tmp_path / ".netrc").write_text(
        f"machine backend.example login ann password {SECRET}\n"
        f"machine 127.0.0.1 login ann password {SECRET}\n",
        encoding="utf-8",
    )
    os.chmod(tmp_path / ".netrc", 0o600)  # noqa: PTH101 - netrc wants it private
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", f"http://{address}")
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://backend.example/events")
    loaded = only_backend(environment.load())
    async with connect(url=loaded.url, proxies=loaded.proxies) as there:
        await there.post(empty())

    assert "authorization" not in stub.heads[0].lower()
    assert "Authorization" not in backend.requests[0].headers
