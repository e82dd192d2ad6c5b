"""Between us and a backend elsewhere there may be a proxy, as the environment says."""

import os

import pytest

from devkit.backend import Backend, Stub
from devkit.processes import free_port
from devkit.proxy import Proxy
from devkit.waiting import eventually
from exporter.config import settings as environment
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
    """A plain request is the proxy's to read, with user and password for it."""
    stub, address = proxy
    exporter = await start(
        url="http://backend.example/events",
        proxies={"http": f"http://ann:{SECRET}@{address}"},
    )

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    assert lines(stub) == ["POST http://backend.example/events HTTP/1.1"]
    assert ANN in stub.heads[0]


async def test_tokens_come_through_it_as_well(start, backend, proxy):
    """The token endpoint is reached the same way as the backend."""
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
            url="http://backend.example/events", proxies={"http": address}, **client
        )

        await exporter.bulk(tasks(1))
        await eventually(lambda: backend.positions == [1])

    assert lines(stub) == [
        "POST http://login.example/oauth/token HTTP/1.1",
        "POST http://backend.example/events HTTP/1.1",
    ]


async def test_https(start, proxy, tmp_path):
    """A request over TLS goes through a tunnel, and the backend sees no password."""
    stub, address = proxy
    authority, trusting = authority_in(tmp_path)
    async with Backend(tls=proof(authority, "backend.example")) as backend:
        stub.target = backend.port
        exporter = await start(
            url="https://backend.example/events",
            proxies={"https": f"ann:{SECRET}@{address}"},
            **trusting,
        )

        await exporter.bulk(tasks(1))
        (request,) = await eventually(lambda: backend.requests)
        await exporter.stop()

    assert lines(stub) == ["CONNECT backend.example:443 HTTP/1.1"]
    assert ANN in stub.heads[0]
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


async def test_a_proxy_that_is_down(start):
    """A proxy nobody listens at is named without its password."""
    unused_port = free_port()
    exporter = await start(
        url="https://backend.example/events",
        proxies={"https": f"http://ann:{SECRET}@127.0.0.1:{unused_port}"},
    )

    await exporter.bulk(tasks(1))
    (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

    assert line.outcome == "postponed"
    assert str(unused_port) in line.reason
    assert SECRET not in str(vars(line))


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

    assert "authorization" not in stub.heads[0].lower()
    assert "Authorization" not in backend.requests[0].headers
