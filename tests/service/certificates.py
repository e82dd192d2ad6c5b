"""Certificates of every kind, as files, and a backend that speaks TLS."""

import ssl
from contextlib import contextmanager

import trustme
from pytest_httpserver import HTTPServer


def write(certificate, directory, name="client"):
    """Write *certificate* and its key; return the settings that name them."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    (chain,) = certificate.cert_chain_pems
    chain.write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    return {"tls_cert_path": str(cert), "tls_key_path": str(key)}


@contextmanager
def tls_backend(authority, *, clients=None):
    """Yield a backend that *authority* vouches for, and that wants one of *clients*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if clients:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        server.expect_request("/events").respond_with_data()
        yield server


def authority_in(directory):
    """Return a new authority, and the settings that trust it."""
    authority = trustme.CA()
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, {"tls_ca_path": str(path)}
