"""Certificates of every kind, as files, and TLS contexts of servers."""

import ssl
from contextlib import asynccontextmanager

import trustme

from devkit.backend import Backend
from exporter.delivery import empty


def write(certificate, directory, name="client"):
    """Write *certificate* and its key; return the settings that name them."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    (chain,) = certificate.cert_chain_pems
    chain.write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    return {"tls_cert_path": str(cert), "tls_key_path": str(key)}


def proof(authority, name="127.0.0.1", *, clients=None, until=None):
    """Return the TLS context of a server that may want certificates of *clients*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue_cert(name, not_before=until, not_after=until)
    certificate.configure_cert(context)
    if clients:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def authority_in(directory):
    """Return a new authority, and the settings that trust it."""
    authority = trustme.CA()
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, {"tls_ca_path": str(path)}


@asynccontextmanager
async def connected(connect, context, **settings):
    """Yield a backend with *settings* whose server has the TLS *context*."""
    async with (
        Backend(tls=context) as server,
        connect(**{"url": server.url} | settings) as backend,
    ):
        yield backend


async def status_of(connect, context, **settings):
    """Return the status of a post to a server with the TLS *context*."""
    async with connected(connect, context, **settings) as backend:
        return (await backend.post(empty())).status
