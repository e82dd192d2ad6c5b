"""`check` goes towards the backend step by step, and prints a remedy."""

import asyncio
import datetime as dt
import json
import socket
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest
import trustme

from devkit.backend import Answer, Stub
from devkit.processes import free_port
from devkit.proxy import Proxy
from exporter import cli
from exporter.commands import check as checks
from exporter.commands import leftovers
from exporter.spool import open_spool
from tests.service.certificates import authority_in, proof
from tests.service.tokens import TokenStub

PAST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


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
async def certified(configure, monkeypatch, tmp_path):
    """Return a function that starts a backend with a certificate for an identity."""
    trusted, trusting = authority_in(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", trusting["tls_ca_path"])
    async with AsyncExitStack() as stack:

        async def serve(identity, *, authority=trusted, until=None):
            tls = proof(authority, identity, until=until)
            server = await stack.enter_async_context(Stub(204, tls=tls))
            configure(URL=f"https://localhost:{server.port}/events")

        yield serve


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
    assert {finding.level for finding in findings} == {checks.Level.OK}
    assert findings[-1].text.startswith("The backend answers 204")
    assert not (tmp_path / "new").exists(), "check leaves nothing behind"


@pytest.mark.parametrize(
    "status,level,advice",
    [
        (200, "ok", ""),
        (400, "ok", ""),
        (422, "ok", ""),
        (301, "problem", "Put the final address into"),
        (401, "problem", "Correct APP_INTEGRATIONS_API_KEY"),
        (403, "problem", "Allow APP_INTEGRATIONS_API_KEY"),
        (404, "problem", "Correct the path in APP_INTEGRATIONS_URL"),
        (405, "problem", "Correct the path in APP_INTEGRATIONS_URL"),
        (409, "problem", "Check the backend: it says"),
        (410, "problem", "Correct the path in APP_INTEGRATIONS_URL"),
        (429, "problem", "Check the backend: it has trouble"),
        (503, "problem", "Check the backend: it has trouble"),
    ],
)
async def test_what_the_backend_answers(server, status, level, advice):
    """Every status of the backend has its finding and its remedy."""
    server.answer = status

    found_level, text, remedy = await last()

    assert found_level == level
    assert str(status) in text
    assert remedy.startswith(advice)


async def test_a_redirect_is_shown_and_not_followed(server):
    """The new location is shown, but no request goes there."""
    server.answer = Answer(308, {"Location": f"{server.url}/new"})

    level, text, _ = await last()

    assert level == "problem"
    assert f"{server.url}/new" in text
    assert [request.path for request in server.requests] == ["/events"]


async def test_a_name_that_does_not_exist(configure):
    """A name that doesn't resolve is a problem."""
    configure(URL="http://backend.invalid/events")

    level, text, remedy = await last()

    assert level == "problem"
    assert text.startswith("The name backend.invalid doesn't resolve: ")
    assert remedy.startswith("Correct the host in APP_INTEGRATIONS_URL")


async def test_nobody_listens(configure):
    """A refused connection is a problem with host and port."""
    port = free_port()
    configure(URL=f"http://127.0.0.1:{port}/events")

    level, text, remedy = await last()

    assert level == "problem"
    assert f"127.0.0.1:{port}" in text
    assert remedy.startswith("Correct host and port in APP_INTEGRATIONS_URL")


@pytest.mark.parametrize(
    "scheme,said",
    [
        ("http", "The backend can be connected to, but: no answer within 0.2 s"),
        ("https", "fails: no answer in time"),
    ],
)
async def test_a_silent_peer(configure, scheme, said):
    """A server that accepts and never answers is a problem after a while."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        configure(URL=f"{scheme}://127.0.0.1:{port}/", REQUEST_TIMEOUT_MS=200)

        level, text, _ = await last()

    assert level == "problem"
    assert text.endswith(said)


async def test_https_where_http_is_spoken(configure, server):
    """A port without TLS has its own finding."""
    configure(URL=f"https://127.0.0.1:{server.port}/")

    level, text, remedy = await last()

    assert level == "problem"
    assert f"127.0.0.1:{server.port} doesn't speak TLS" in text
    assert remedy.endswith("or use http://")


async def test_a_trusted_certificate(certified):
    """An authority in SSL_CERT_FILE is trusted."""
    await certified("localhost")

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "exporter", "check", "--json", stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()

    texts = [finding["text"] for finding in json.loads(out)]
    assert "The certificate of localhost verifies" in texts
    assert texts[-1].startswith("The backend answers 204")
    assert process.returncode == 0


@pytest.mark.parametrize(
    "identity,until,remedy",
    [
        ("other.example", None, "It is for another name"),
        ("127.0.0.1", None, "It is for another name"),
        ("localhost", PAST, "It has expired"),
    ],
)
async def test_a_bad_certificate(certified, identity, until, remedy):
    """Each fault of a certificate has its finding and its remedy."""
    await certified(identity, until=until)

    level, text, advice = await last()

    assert level == "problem"
    assert text.startswith("The certificate of localhost doesn't verify: ")
    assert advice.startswith(remedy)


async def test_a_stranger_signed_it(certified):
    """A setting can name an additional authority."""
    await certified("localhost", authority=trustme.CA())

    level, _, advice = await last()

    assert level == "problem"
    assert "APP_INTEGRATIONS_TLS_CA_PATH" in advice


@pytest.fixture
async def tokens(configure, server):
    """Return a token endpoint and a backend, both configured."""
    server.answer = lambda request: (
        204 if request.headers["Authorization"] == "Bearer token-1" else 500
    )
    async with TokenStub() as tokens:
        client = {name.upper(): text for name, text in tokens.settings.items()}
        configure(CLUSTER_ID="eu-1", **client)
        yield tokens


@pytest.mark.usefixtures("tokens")
async def test_the_token_endpoint():
    """The token endpoint issues a token, and the backend accepts it."""
    findings = await found()

    assert {finding.level for finding in findings} == {checks.Level.OK}
    *_, token, answer = [finding.text for finding in findings]
    assert token == "The token endpoint issues a token"
    assert answer.startswith("The backend answers 204")


async def test_a_client_nobody_knows(tokens):
    """A refusal by the token endpoint is a problem, without a secret."""
    tokens.status, tokens.fields = 401, {"error": "invalid_client"}

    level, text, remedy = await last()

    assert level == "problem"
    assert text == "There is no token from 127.0.0.1: 401 invalid_client"
    assert "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET" in remedy
    assert "hunter2" not in str(await found())


@pytest.mark.usefixtures("tokens")
async def test_a_token_endpoint_that_does_not_exist(configure):
    """A token endpoint that can't be reached has its setting in the remedy."""
    configure(OAUTH_AUTHORIZATION_SERVER_URL="http://login.invalid/token")

    level, text, remedy = await last()

    assert level == "problem"
    assert text.startswith("The name login.invalid doesn't resolve")
    assert "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL" in remedy


async def test_through_a_proxy(configure, server, monkeypatch):
    """The proxy must be reached, and the backend through the proxy."""
    async with Proxy(server.port, http=True) as proxy:
        address = f"127.0.0.1:{proxy.port}"
        monkeypatch.setenv("HTTP_PROXY", f"http://ann:hunter2@{address}")
        configure(URL="http://backend.example/events")
        findings = await found()

    texts = [finding.text for finding in findings]
    assert f"{address} can be connected to" in texts
    assert texts[-1].startswith("The backend answers 204")
    assert "Basic YW5uOmh1bnRlcjI=" in proxy.heads[-1]
    assert "hunter2" not in str(findings)


async def test_a_proxy_that_is_down(configure, monkeypatch):
    """A proxy that can't be reached has its variable in the remedy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    configure(URL="https://backend.example/events")

    _, text, remedy = await last()

    assert text.startswith("The name proxy.invalid doesn't resolve")
    assert remedy.startswith("Correct the host in HTTPS_PROXY")


OAUTH = {
    "CLUSTER_ID": "eu-1",
    "OAUTH_CLIENT_ID": "exporter",
    "OAUTH_CLIENT_SECRET": "hunter2",
}


@pytest.mark.parametrize(
    "variables, exposed",
    [
        ({"API_KEY": "hunter2"}, ["The API key"]),
        ({"HEADERS": "X-Key: hunter2"}, ["The content of APP_INTEGRATIONS_HEADERS"]),
        (
            OAUTH | {"OAUTH_AUTHORIZATION_SERVER_URL": "http://login.invalid/"},
            ["The token", "The client secret"],
        ),
        (
            OAUTH | {"OAUTH_AUTHORIZATION_SERVER_URL": "https://login.invalid/"},
            ["The token"],
        ),
        ({}, []),
        ({"URL": "https://backend.invalid/", "API_KEY": "hunter2"}, []),
        ({"URL": "http://localhost:9/", "API_KEY": "hunter2"}, []),
    ],
)
async def test_a_key_in_the_open(configure, variables, exposed):
    """A credential over plain HTTP to another machine is a warning."""
    configure(**{"URL": "http://backend.invalid/events"} | variables)

    findings = await found()

    warnings = [each for each in findings if each.level is checks.Level.WARNING]
    assert [each.text for each in warnings] == [
        f"{credential} crosses the network unencrypted" for credential in exposed
    ]
    assert all(each.remedy.startswith("Use an https://") for each in warnings)
    assert "hunter2" not in str(findings)


async def test_a_spool_that_cannot_be(configure, tmp_path):
    """A directory that can't be created is a problem with its remedy."""
    (tmp_path / "file").touch()
    configure(URL="http://backend.invalid/", SPOOL_DIR=tmp_path / "file" / "spool")

    problem = (await found())[1]

    assert problem.level is checks.Level.PROBLEM
    assert problem.text.startswith("The spool can't be written: ")
    assert "APP_INTEGRATIONS_SPOOL_DIR" in problem.remedy


async def test_a_disk_that_is_too_small(configure):
    """A spool that may outgrow its disk is a warning."""
    configure(URL="http://backend.invalid/", SPOOL_MAX_BYTES=2**50)

    warning = (await found())[2]

    assert warning.level is checks.Level.WARNING
    assert "The disk of the spool has" in warning.text


async def test_beside_a_running_service(configure, tmp_path):
    """The spool of a running service is ok, and stays as it is."""
    with open_spool(tmp_path, backends=["default"], limit=2**20):
        configure(URL="http://backend.invalid/", SPOOL_DIR=tmp_path)
        texts = [finding.text for finding in await found()]
    configure(URL="http://backend.invalid/", SPOOL_DIR=tmp_path)
    later = [finding.text for finding in await found()]

    assert f"The spool {tmp_path} is in use by a running service" in texts
    assert f"The spool {tmp_path} can be written" in later


def test_mistakes_are_findings(configure, capsys):
    """Wrong settings and unknown variables are problems, one line each."""
    configure(BATCH_SIZE=0, ADMIN_PROT=1)

    assert cli.main(["check"]) == 1

    lines = [line for line in capsys.readouterr().out.splitlines() if "->" not in line]
    assert [line.split()[:2] for line in lines] == [
        ["problem", "APP_INTEGRATIONS_ADMIN_PROT"],
        ["problem", "APP_INTEGRATIONS_URL"],
        ["problem", "APP_INTEGRATIONS_BATCH_SIZE"],
    ]
