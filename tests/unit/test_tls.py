"""The TLS context of connections to a backend."""

import ssl

import pytest

from exporter.net.tls import tls_of


def test_http_1_1_is_offered():
    """A server that also speaks HTTP/2 learns at once that the exporter doesn't."""
    sent = ssl.MemoryBIO()
    context = tls_of("", "", "").context
    handshake = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="backend")

    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()

    assert b"\x08http/1.1" in sent.read()
