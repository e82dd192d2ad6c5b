"""Between us and a backend elsewhere there may be a proxy, as the environment says."""

import os
import socket
import ssl

import pytest
import trustme
from pytest_httpserver import HTTPServer

from exporter import settings as environment
from tests.configured import only_backend
from tests.conftest import eventually
from tests.records import tasks
from tests.service.proxy import proxying
from tests.service.tokens import TokenStub

SECRET = "hunter2"


@pytest.fixture
async def proxy(httpserver):
    """Return a proxy that leads to the backend, and its address."""
    async with proxying(httpserver.port) as (stub, address):
        yield stub, address


async def test_plain_http(start, backend, proxy):
    """A plain request is the proxy's to read, with user and password for it."""
    stub, address = proxy
    exporter = await start(
        url="http://backend.example/events",
        proxies={"http": f"http://ann:{SECRET}@{address}"},
    )

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert stub.lines == ["POST http://backend.example/events HTTP/1.1"]
    assert stub.authorizations() == [f"ann:{SECRET}"]


async def test_tokens_come_through_it_as_well(start, backend, httpserver, proxy):
    """The token endpoint is reached the same way as the backend."""
    stub, address = proxy
    client = TokenStub(httpserver).settings
    client["oauth_authorization_server_url"] = "http://login.example/oauth/token"
    exporter = await start(
        url="http://backend.example/events", proxies={"http": address}, **client
    )

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert stub.lines == [
        "POST http://login.example/oauth/token HTTP/1.1",
        "POST http://backend.example/events HTTP/1.1",
    ]


async def test_https(start, tmp_path):
    """A request over TLS goes through a tunnel, and the backend sees no password."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("backend.example").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        server.expect_request("/events").respond_with_data()
        async with proxying(server.port) as (stub, address):
            exporter = await start(
                url="https://backend.example/events",
                proxies={"https": f"ann:{SECRET}@{address}"},
                tls_ca_path=str(tmp_path / "ca.pem"),
            )

            await exporter.bulk(tasks(1))
            ((request, _),) = await eventually(lambda: server.log)
            await exporter.stop()

    assert stub.lines == ["CONNECT backend.example:443 HTTP/1.1"]
    assert stub.authorizations() == [f"ann:{SECRET}"]
    assert "Proxy-Authorization" not in request.headers


@pytest.mark.parametrize(
    "answer, outcome",
    [
        (b"HTTP/1.1 407 Who are you?\r\n\r\n", "blocked"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "postponed"),
    ],
)
async def test_a_proxy_that_refuses(start, proxy, answer, outcome):
    """A refusal is the setup's fault, not the batch's; the log shows no password."""
    stub, address = proxy
    stub.answer = answer
    exporter = await start(
        url="https://backend.example/events",
        proxies={"https": f"http://ann:{SECRET}@{address}"},
    )

    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))
    metrics = await exporter.metrics()

    assert line.outcome == outcome
    assert line.reason.startswith(f"the proxy answers {answer.split()[1].decode()} ")
    assert metrics["spool_events"] == 1
    assert SECRET not in str([vars(each) for each in exporter.lines.records])


async def test_a_proxy_that_is_down(start, unused_port):
    """A proxy nobody listens at is named without its password."""
    exporter = await start(
        url="https://backend.example/events",
        proxies={"https": f"http://ann:{SECRET}@127.0.0.1:{unused_port}"},
    )

    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert line.outcome == "postponed"
    assert str(unused_port) in line.reason
    assert SECRET not in str(vars(line))


@pytest.fixture
def unused_port():
    """Return a port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("no", ["", "127.0.0.1", "*"])
async def test_this_machine_is_near(start, backend, no):
    """A backend on this machine is asked directly, also when NO_PROXY names it."""
    exporter = await start(proxies={"http": "http://proxy.invalid:1", "no": no})

    await exporter.bulk(tasks(1))

    await eventually(lambda: backend.positions == [1])


async def test_from_the_environment(monkeypatch, start, backend, proxy, tmp_path):
    """The usual variables are read; what ~/.netrc says is never sent to anybody."""
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
    exporter = await start(url=loaded.url, proxies=loaded.proxies)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert stub.authorizations() == [None]
    assert "Authorization" not in backend.posts[0].headers
