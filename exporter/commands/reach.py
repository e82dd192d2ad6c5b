"""A step of `check`: whether a server's name, port and certificate are right."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass

from yarl import URL

from exporter.commands.findings import Finding, Level, ok, problem
from exporter.config.backend import BackendSettings
from exporter.net.names import look_up
from exporter.net.proxies import proxy_for
from exporter.net.tls import reason_of


@dataclass(frozen=True)
class Peer:
    """A server, or the proxy in front of it."""

    url: URL
    setting: str
    """The variable with the URL."""
    trust: str
    """The variable with additional certificate authorities."""
    context: ssl.SSLContext
    seconds: float


async def reached(
    settings: BackendSettings, url: str, setting: str
) -> AsyncIterator[Finding]:
    """Yield a finding for each step towards *url*, the value of *setting*."""
    proxy = proxy_for(url, settings.proxies)
    peer = Peer(
        proxy.url if proxy else URL(url),
        f"{URL(url).scheme.upper()}_PROXY" if proxy else setting,
        settings.variable("tls_ca_path"),
        settings.tls().current().context,
        settings.request_timeout_ms / 1000,
    )
    steps = [_name, _connection]
    if peer.url.scheme == "https":
        steps.append(_tls)
    for step in steps:
        finding = await step(peer)
        yield finding
        if finding.level is Level.PROBLEM:
            return


async def _name(peer: Peer) -> Finding:
    host, port = peer.url.raw_host or "", peer.url.port or 0
    try:
        async with asyncio.timeout(peer.seconds):
            found = await look_up(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return problem(
            f"The name {peer.url.host} doesn't resolve: {reason_of(error)}",
            f"Correct the host in {peer.setting}, or the DNS of this machine",
        )
    addresses = ", ".join(sorted({str(address[0]) for *_, address in found}))
    return ok(f"The name {peer.url.host} resolves to {addresses}")


async def _connection(peer: Peer) -> Finding:
    where = f"{peer.url.host}:{peer.url.port}"
    try:
        await _open(peer)
    except OSError as error:
        return problem(
            f"{where} can't be connected to: {reason_of(error)}",
            f"Correct host and port in {peer.setting}, start the server, or allow "
            "the connection in the firewall or network policy",
        )
    return ok(f"{where} can be connected to")


ALERT, HANDSHAKE = b"\x15", b"\x16"
"""The first byte of a TLS record."""
CERTIFICATE_REMEDIES = {
    9: "It isn't valid yet: check the clocks of both machines",
    10: "It has expired: renew it",
    62: "It is for another name: correct it, or the host in {setting}",
    64: "It is for another address: correct it, or the host in {setting}",
}


async def _tls(peer: Peer) -> Finding:
    host = peer.url.host
    try:
        await _open(peer, peer.context)
    except ssl.SSLCertVerificationError as error:
        return problem(
            f"The certificate of {host} doesn't verify: {error.verify_message}",
            CERTIFICATE_REMEDIES.get(
                error.verify_code,
                f"Its authority isn't trusted: set {peer.trust} to a file with the "
                "certificate of this authority",
            ).format(setting=peer.setting),
        )
    except OSError as error:
        if await _speaks_tls(peer):
            return problem(
                f"TLS with {host}:{peer.url.port} fails: {reason_of(error)}",
                f"Correct the port in {peer.setting}, or the TLS setup of the server; "
                "it needs version 1.2 or later",
            )
        return problem(
            f"{host}:{peer.url.port} doesn't speak TLS: {reason_of(error)}",
            f"Correct the port in {peer.setting}, or use http://",
        )
    return ok(f"The certificate of {host} verifies")


async def _open(peer: Peer, context: ssl.SSLContext | None = None) -> None:
    """Open a connection, and close it."""
    async with asyncio.timeout(peer.seconds):
        _, writer = await asyncio.open_connection(
            peer.url.raw_host, peer.url.port, ssl=context
        )
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _speaks_tls(peer: Peer) -> bool:
    """Whether *peer* answers a TLS handshake with TLS, or not at all."""
    host, greeting = peer.url.raw_host, ssl.MemoryBIO()
    talk = peer.context.wrap_bio(ssl.MemoryBIO(), greeting, server_hostname=host)
    with suppress(ssl.SSLWantReadError):
        talk.do_handshake()
    first = b""
    with suppress(OSError):
        async with asyncio.timeout(peer.seconds):
            reader, writer = await asyncio.open_connection(host, peer.url.port)
            with closing(writer):
                writer.write(greeting.read())
                first = await reader.read(1)
    return first in (b"", ALERT, HANDSHAKE)
