"""
Find out before the first event what would keep events from being delivered.

It changes nothing: the spool stays as it was, and the backend gets a batch
without events.
"""

import asyncio
import enum
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from yarl import URL

from exporter import settings as environment
from exporter.connecting import connecting
from exporter.declaration import PREFIX, is_loopback
from exporter.delivery import EMPTY, Answer, Outcome, outcome_of, remedy
from exporter.settings import Settings, SettingsError
from exporter.spool.errors import SpoolUnusableError
from exporter.spool.lock import is_locked


class Level(enum.StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    """Works, but should be looked at."""
    PROBLEM = "problem"
    """Events won't be delivered like this."""


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it (nothing, when it is right)."""

    level: Level
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """Return the finding that *text* is as it should be."""
    return Finding(Level.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Return the finding that *text* works, but shouldn't stay so."""
    return Finding(Level.WARNING, text, remedy)


def problem(text: str, remedy: str) -> Finding:
    """Return the finding that *text* keeps events from being delivered."""
    return Finding(Level.PROBLEM, text, remedy)


async def findings() -> AsyncIterator[Finding]:
    """Yield everything there is to say about this environment, as it is found out."""
    for unknown in environment.unknown():
        yield problem(str(unknown), "Correct its name, or remove it")
    try:
        settings = environment.load()
    except SettingsError as error:
        for mistake in error.mistakes:
            yield problem(mistake, "Correct it: docs/configuration.md has all settings")
        return
    yield ok("The settings can be used")
    for finding in _spool(settings):
        yield finding
    async for finding in _backend(settings):
        yield finding


def _spool(settings: Settings) -> Iterator[Finding]:
    """Try to write where the spool is or will be, and leave nothing behind."""
    directory = settings.spool_dir.absolute()
    lacking = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
        free = shutil.disk_usage(directory).free
        in_use = is_locked(directory)
    except (OSError, SpoolUnusableError) as error:
        yield problem(
            f"The spool can't be written: {error}",
            f"Give {PREFIX}SPOOL_DIR a directory that this user may write",
        )
        return
    finally:
        for path in lacking:
            with suppress(OSError):
                path.rmdir()
    state = "is in use by a running service" if in_use else "can be written"
    yield ok(f"The spool {directory} {state}")
    if free < settings.spool_max_bytes:
        yield warning(
            f"The disk of the spool has {free} bytes left, and the spool may take "
            f"{settings.spool_max_bytes}",
            f"Free some space, or lower {PREFIX}SPOOL_MAX_BYTES",
        )


async def _backend(settings: Settings) -> AsyncIterator[Finding]:
    """Go as far towards the backend as it can be reached."""
    url = URL(settings.url)
    plain = url.scheme == "http"
    if settings.api_key and plain and not is_loopback(url.host or ""):
        yield warning(
            "The API key crosses the network unencrypted",
            f"Use an https:// address in {PREFIX}URL",
        )
    steps = [_name, _connection] if plain else [_name, _connection, _tls]
    for step in steps:
        finding = await step(settings, url)
        yield finding
        if finding.level is Level.PROBLEM:
            return
    yield await _answer(settings)


async def _name(settings: Settings, url: URL) -> Finding:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            found = await loop.getaddrinfo(
                url.raw_host, url.port, type=socket.SOCK_STREAM
            )
    except OSError as error:
        return problem(
            f"The name {url.host} doesn't resolve: {_reason(error)}",
            f"Correct the host in {PREFIX}URL, or the name service of this machine",
        )
    addresses = ", ".join(sorted({str(address[0]) for *_, address in found}))
    return ok(f"The name {url.host} resolves to {addresses}")


async def _connection(settings: Settings, url: URL) -> Finding:
    try:
        await _open(settings, url)
    except OSError as error:
        return problem(
            f"{url.host}:{url.port} can't be connected to: {_reason(error)}",
            f"Correct host and port in {PREFIX}URL, start the backend, or let this "
            "machine through the firewall or network policy",
        )
    return ok(f"{url.host}:{url.port} can be connected to")


CERTIFICATE_REMEDIES = {
    9: "Its time hasn't come: look at the clocks here and there",
    10: "It has expired: renew the backend's certificate",
    62: f"It belongs to another name: correct it, or the host in {PREFIX}URL",
    64: f"It belongs to another address: correct it, or the host in {PREFIX}URL",
}


async def _tls(settings: Settings, url: URL) -> Finding:
    try:
        await _open(settings, url, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return problem(
            f"The certificate of {url.host} doesn't verify: {error.verify_message}",
            CERTIFICATE_REMEDIES.get(
                error.verify_code,
                "Nobody trusted here has signed it: let SSL_CERT_FILE name a file with "
                "the certificate of its authority",
            ),
        )
    except OSError as error:
        return problem(
            f"{url.host}:{url.port} doesn't speak TLS: {_reason(error)}",
            f"Correct the port in {PREFIX}URL, or use http://",
        )
    return ok(f"The certificate of {url.host} verifies")


async def _open(
    settings: Settings, url: URL, context: ssl.SSLContext | None = None
) -> None:
    """Open a connection and close it."""
    async with asyncio.timeout(settings.request_timeout_ms / 1000):
        _, writer = await asyncio.open_connection(url.raw_host, url.port, ssl=context)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error)


async def _answer(settings: Settings) -> Finding:
    async with connecting(settings) as backend:
        return judge(await backend.post(EMPTY))


def judge(answer: Answer) -> Finding:
    """Return what *answer* to a batch without events tells about the setup."""
    if answer.status in (400, 422):
        return ok(
            f"The backend answers {answer.detail}: reached, it only dislikes a batch "
            "without events"
        )
    if outcome_of(answer) is Outcome.DELIVERED:
        return ok(f"The backend answers {answer.detail}: it takes our requests")
    said = "answers" if answer.status else "can be connected to, but:"
    return problem(f"The backend {said} {answer.detail}", remedy(answer))
