"""`check` goes towards the backend step by step, and prints a remedy."""

import socket

import pytest

from devkit.backend import Answer, Stub
from devkit.processes import free_port
from devkit.proxy import Proxy
from exporter import cli
from exporter.commands import check as checks
from exporter.commands import leftovers
from exporter.commands.findings import Level
from exporter.spool import open_spool
from tests.service.tokens import TokenStub


@pytest.fixture
def configure(monkeypatch, tmp_path):
    """Return a function that sets variables; each test has its own spool."""

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name}", str(value))

    set_variables(SPOOL_DIR=tmp_path / "new" / "spool")
    # A broker that happens to run on this machine is nobody's business here.
    monkeypatch.setattr(leftovers, "DEFAULT_URL", "http://broker.invalid")
    return set_variables


async def found():
    """Return every finding."""
    return [finding async for finding in checks.findings()]


async def last():
    """Return level, text and remedy of the last finding."""
    finding = (await found())[-1]
    return finding.level, finding.text, finding.remedy


@pytest.fixture
async def server(configure):
    """Return a backend that is configured."""
    async with Stub(204) as server:
        configure(URL=f"{server.url}/events")
        yield server


async def test_all_is_well(configure, server, tmp_path):
    """A batch without events reaches the backend with the credentials."""
    configure(API_KEY="k", CLUSTER_ID="prod")

    findings = await found()

    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/events")
    assert request.headers["X-API-KEY"] == "k"
    assert request.headers["X-Cluster-Id"] == "prod"
    assert request.json == {"events": []}
    assert {finding.level for finding in findings} == {Level.OK}
    assert findings[-1].text.startswith("The backend answers 204")
    assert not (tmp_path / "new").exists(), "check leaves nothing behind"


@pytest.mark.parametrize(
    "status, level, advice",
    [
        (200, "ok", ""),
        (400, "ok", ""),
        (422, "ok", ""),
        (308, "problem", "Put the final address into APP_INTEGRATIONS_URL"),
        (401, "problem", "Correct APP_INTEGRATIONS_API_KEY"),
        (404, "problem", "Correct the path in APP_INTEGRATIONS_URL"),
        (503, "problem", "Check the backend: it fails at the moment"),
    ],
)
async def test_statuses(server, status, level, advice):
    """A batch without events may be refused; any other failure has its remedy."""
    server.answer = Answer(status, {"Location": f"{server.url}/new"})

    found_level, text, remedy = await last()

    assert found_level == level
    assert f"The backend answers {status}" in text
    assert remedy.startswith(advice)
    assert [request.path for request in server.requests] == ["/events"]


OAUTH = {
    "CLUSTER_ID": "eu-1",
    "OAUTH_CLIENT_ID": "exporter",
    "OAUTH_CLIENT_SECRET": "hunter2",
    "OAUTH_AUTHORIZATION_SERVER_URL": "http://login.invalid/token",
}


@pytest.mark.parametrize(
    "variables, peer, setting",
    [
        ({"URL": "http://b.invalid/"}, "b.invalid:80", "APP_INTEGRATIONS_URL"),
        ({"URL": "http://127.0.0.1:9/"}, "127.0.0.1:9", "APP_INTEGRATIONS_URL"),
        ({"URL": "https://b.invalid/"}, "b.invalid:443", "APP_INTEGRATIONS_URL"),
        (OAUTH, "login.invalid:80", "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL"),
    ],
)
async def test_no_connection(configure, server, variables, peer, setting):
    """A server that can't be connected to is a problem with its setting."""
    configure(**variables)

    level, text, remedy = await last()

    assert level == "problem"
    assert text.startswith(f"{peer} can't be connected to: ")
    assert f"host and port in {setting}," in remedy
    assert server.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_silence(configure, scheme):
    """A server that accepts and never answers is a problem after a while."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        configure(URL=f"{scheme}://127.0.0.1:{port}/", REQUEST_TIMEOUT_MS=200)
        *_, connected, failed = await found()

    assert connected.text == f"127.0.0.1:{port} can be connected to"
    assert failed.level is Level.PROBLEM
    assert failed.text == "The request fails: no answer within 0.2 s"


async def test_oauth(configure, server):
    """Without a token no batch is sent, and the refusal is shown without a secret."""
    async with TokenStub() as tokens:
        client = {name.upper(): text for name, text in tokens.settings.items()}
        configure(CLUSTER_ID="eu-1", **client)
        tokens.status, tokens.fields = 401, {"error": "invalid_client"}
        findings = await found()

    assert findings[-1].text.endswith("no token from 127.0.0.1: 401 invalid_client")
    assert "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET" in findings[-1].remedy
    assert "hunter2" not in str(findings)
    assert server.requests == []


async def test_proxy(configure, server, monkeypatch):
    """The proxy must be reached, and the backend through the proxy."""
    async with Proxy(server.port, http=True) as proxy:
        address = f"127.0.0.1:{proxy.port}"
        monkeypatch.setenv("HTTP_PROXY", f"http://ann:hunter2@{address}")
        configure(URL="http://backend.example/events")
        findings = await found()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    _, _, remedy = await last()

    texts = [finding.text for finding in findings]
    assert f"{address} can be connected to" in texts
    assert texts[-1].startswith("The backend answers 204")
    assert "Basic YW5uOmh1bnRlcjI=" in proxy.heads[-1]
    assert "hunter2" not in str(findings)
    assert "host and port in HTTP_PROXY," in remedy


@pytest.mark.parametrize(
    "variables, exposed",
    [
        ({"API_KEY": "hunter2"}, ["The API key"]),
        ({"HEADERS": "X-Key: hunter2"}, ["The content of APP_INTEGRATIONS_HEADERS"]),
        (OAUTH, ["The token", "The client secret"]),
        (
            OAUTH | {"OAUTH_AUTHORIZATION_SERVER_URL": "https://login.invalid/"},
            ["The token"],
        ),
        ({}, []),
        ({"URL": "https://backend.invalid/", "API_KEY": "hunter2"}, []),
        ({"URL": "http://localhost:9/", "API_KEY": "hunter2"}, []),
    ],
)
async def test_exposed_credentials(configure, variables, exposed):
    """A credential over plain HTTP to another machine is a warning."""
    configure(**{"URL": "http://backend.invalid/events"} | variables)

    findings = await found()

    warnings = [each for each in findings if each.level is Level.WARNING]
    assert [each.text for each in warnings] == [
        f"{credential} crosses the network unencrypted" for credential in exposed
    ]
    assert all(each.remedy.startswith("Use an https://") for each in warnings)
    assert "hunter2" not in str(findings)


async def test_spool(configure, tmp_path):
    """The spool must be writable, and its disk large enough."""
    configure(URL="http://127.0.0.1:9/", SPOOL_DIR=tmp_path, SPOOL_MAX_BYTES=2**50)
    (tmp_path / "file").touch()

    with open_spool(tmp_path, backends=["default"], limit=2**20):
        _, in_use, *_ = await found()
    _, free, small, *_ = await found()
    configure(SPOOL_DIR=tmp_path / "file" / "spool")
    _, wrong, *_ = await found()

    assert in_use.text == f"The spool {tmp_path} is in use by a running service"
    assert free.text == f"The spool {tmp_path} can be written"
    assert small.level is Level.WARNING
    assert "The disk of the spool has" in small.text
    assert wrong.level is Level.PROBLEM
    assert wrong.text.startswith("The spool can't be written: ")
    assert "APP_INTEGRATIONS_SPOOL_DIR" in wrong.remedy


def test_mistakes(configure, capsys):
    """Mistakes are problems, one line each, and come before the broker."""
    configure(BATCH_SIZE=0, ADMIN_PROT=1)

    assert cli.main(["check", "--broker", "http://broker.invalid"]) == 1

    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if "->" not in line]
    assert "\n         -> Correct its name, or remove it\n" in out
    assert [line.split()[:2] for line in lines] == [
        ["problem", "APP_INTEGRATIONS_ADMIN_PROT"],
        ["problem", "APP_INTEGRATIONS_URL"],
        ["problem", "APP_INTEGRATIONS_BATCH_SIZE"],
        ["problem", "http://broker.invalid"],
    ]
