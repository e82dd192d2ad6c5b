"""If TLS fails, log, status and `check` say how: alert, hang-up, no TLS at all."""

import asyncio
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from unittest.mock import Mock

import aiohttp
import pytest
import trustme

from devkit.proxy import Proxy
from exporter.commands import check
from exporter.delivery.answers import answer_to
from exporter.delivery.connection import Connection
from exporter.net.tls import tls_of
from tests.records import tasks
from tests.service.certificates import authority_in, proof

REFUSED_VERSION = "the peer refuses the TLS version (alert: protocol version)"
REFUSED_CIPHERS = "the peer accepts no cipher suite, or needs a certificate "
HUNG_UP = "the peer hung up"


def alert(number, level=2):
    """Return the record with the fatal alert *number*."""
    return b"\x15\x03\x03\x00\x02%c%c" % (level, number)


@pytest.fixture
def failure(start, monkeypatch, tmp_path):
    """Return a function for the reports on a peer by log, status and `check`."""

    async def shown(url, **settings):
        exporter = await start(url=url, **settings)
        await exporter.bulk(tasks(1))
        trouble = await exporter.trouble()
        token = (tmp_path / "spool" / "admin.token").read_text("utf-8").strip()
        page = (await exporter.demand("GET", "/status", token)).body.decode()
        names = {"url": url, "spool_dir": tmp_path / "new", **settings}
        for name, value in names.items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name.upper()}", str(value))
        *_, finding = [finding async for finding in check.findings()]
        assert trouble.reason in page
        assert trouble.outcome == "postponed"
        assert trouble.reason in finding.text
        return trouble.reason, finding

    return shown


@pytest.mark.parametrize(
    "answer, words",
    [
        (alert(70), REFUSED_VERSION),
        (alert(40), REFUSED_CIPHERS + "(alert: handshake failure)"),
        (alert(71), "(alert: insufficient security)"),
        (alert(112), "doesn't serve this host name (alert: unrecognized name)"),
        (alert(49), "ends the connection (alert: access denied)"),
        (alert(200), "TLS fails"),
        (alert(0, level=1), HUNG_UP),
        (b"\x15\x03\x00\x00\x02\x02\x46", REFUSED_VERSION),
        (b"\x16\x03\x03\x00\x01\x00", HUNG_UP),
        (b"", HUNG_UP),
    ],
)
async def test_a_peer_that_ends_the_handshake(failure, answer, words):
    """The alert is named; http:// isn't proposed for a peer that speaks TLS."""
    async with Proxy() as peer:
        peer.answer = answer
        reason, finding = await failure(f"https://127.0.0.1:{peer.port}/")

    assert words in reason
    assert "http://" not in finding.remedy


async def test_a_peer_without_tls(failure):
    """A peer that answers in plain text doesn't speak TLS."""
    async with Proxy() as peer:
        peer.answer = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        reason, _ = await failure(f"https://127.0.0.1:{peer.port}/")

    assert "doesn't speak TLS" in reason


def linger(end):
    """Read until the client closes: who closes first may reset the alert away."""
    with suppress(OSError):
        socket.socket.shutdown(end, socket.SHUT_WR)
        while socket.socket.recv(end, 65536):
            pass


@pytest.fixture
async def serve():
    """Return a function that serves TLS, with the alerts that asyncio never sends."""
    ends = []
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def answer(context):
            with suppress(OSError):
                while True:
                    end, _ = server.accept()
                    end.settimeout(30)
                    tls = context.wrap_socket(
                        end, server_side=True, do_handshake_on_connect=False
                    )
                    ends.append(tls)
                    with tls:
                        with suppress(OSError):
                            tls.do_handshake()
                        linger(tls)

        def begin(context):
            thread = threading.Thread(target=answer, args=[context])
            thread.start()
            stack.callback(thread.join)
            return "https://{}:{}/".format(*server.getsockname())

        yield begin
        server.shutdown(socket.SHUT_RDWR)
        for end in ends:  # their clients end after this test, with its loop
            with suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "cause, words",
    [
        ("version", REFUSED_VERSION),
        ("ciphers", REFUSED_CIPHERS),
        ("TLSv1_2", "needs a certificate (alert: "),
        ("TLSv1_3", "needs a certificate (alert: "),
    ],
)
async def test_a_server_that_refuses(failure, serve, tmp_path, cause, words):
    """Real servers want another version or cipher, or a certificate of ours."""
    authority, trusting = authority_in(tmp_path)
    clients = trustme.CA() if cause.startswith("TLS") else None
    context = proof(authority, clients=clients)
    if cause == "version":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    elif cause == "ciphers":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES256-CCM8:@SECLEVEL=0")
    else:
        context.maximum_version = context.minimum_version = ssl.TLSVersion[cause]
    reason, finding = await failure(serve(context), **trusting)

    assert words in reason
    assert words in finding.text


def test_an_authority_without_key_identifiers(monkeypatch):
    """It is trusted as before Python 3.13, whose contexts are stricter."""
    strict = ssl.create_default_context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    monkeypatch.setattr(ssl, "create_default_context", lambda: strict)

    assert not tls_of("", "", "").context.verify_flags & ssl.VERIFY_X509_STRICT


async def test_an_alert_before_a_request_is_written():
    """Writing fails then, which says nothing: the alert that ended it does."""
    alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert")
    connection = Connection(asyncio.get_running_loop())
    connection.transport = Mock(is_closing=Mock(return_value=True))

    connection.set_exception(aiohttp.ClientOSError(None, "Can not write"))
    connection.connection_lost(alert)

    answer = answer_to(connection.exception(), 1, str)
    assert answer.detail == "the peer needs a certificate (alert: certificate required)"
