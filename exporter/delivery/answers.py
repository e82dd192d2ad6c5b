"""
Read what came back from a request: a body, Retry-After, or an error of the client.

Details are our own words, because messages of the client may quote answers, URLs and
requests.
"""

import asyncio
import os
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from exporter.delivery.heads import AnswerError
from exporter.delivery.outcome import Answer, Failure
from exporter.net.tls import reason_of, tls_reason_of

ERRORS = (TimeoutError, aiohttp.ClientError, OSError)
"""What a request may raise."""
LONGEST_DETAIL = 300
LONGEST_WAIT_SECONDS = 10**9
SECONDS = re.compile(r"\+?([0-9]{1,9}(?:\.[0-9]*)?) *(?:s|sec|seconds)?(?:[,;].*)?")
"""The standard form, and what servers and proxies really send: `7.0`, `7, 7`, `+7`."""
GZIP_OR_ZLIB, RAW = 47, -15
GZIP = b"\x1f\x8b"


async def read(
    response: aiohttp.ClientResponse, most: int, seconds: float | None = None
) -> bytes:
    """
    Return the decompressed body of *response*, at most *most* bytes.

    With *seconds*, return the part that arrives in time, and ignore errors.
    """
    body = b""
    with suppress(*ERRORS if seconds else ()):
        async with asyncio.timeout(seconds):
            while len(body) < most and not response.content.at_eof():
                body += await response.content.readany()
    return unpacked(body, response.headers.get("Content-Encoding", ""), most)


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return *body* without its *encoding*; some servers compress unasked."""
    for name in reversed(encoding.lower().split(",")):
        if name.strip() in ("gzip", "x-gzip", "deflate") or body.startswith(GZIP):
            body = _inflated(body, most)
        elif name.strip() not in ("", "identity"):
            return b"(compressed)"
    return body


def _inflated(body: bytes, most: int) -> bytes:
    for form in (GZIP_OR_ZLIB, RAW):
        with suppress(zlib.error):
            return zlib.decompressobj(form).decompress(body, most)
    return b"(compressed)"


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return how many seconds *headers* ask to wait, or 0.

    Clocks differ, so a date is compared with the answer's own date if there is one, and
    else with *now*, in seconds since 1970.
    """
    text = headers.get("Retry-After", "").strip()
    if found := SECONDS.fullmatch(text):
        return float(found[1])
    moment = _timestamp(text)
    if moment is None:
        return 0.0
    answered = _timestamp(headers.get("Date", ""))
    seconds = moment - (now if answered is None else answered)
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS)


def _timestamp(date: str) -> float | None:
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(date)
        # HTTP dates without a zone are in UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def answer_to(
    error: BaseException, seconds: float | None, hidden: Callable[[str], str]
) -> Answer:
    """
    Return the answer that *error* stands for.

    The request timed out after *seconds*. *hidden* removes secrets from a text.
    """
    failure, detail = Failure.CONNECTION, "the connection was closed"
    match error:
        case TimeoutError():
            failure, detail = Failure.TIMEOUT, f"no answer within {seconds:g} s"
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "")
            failure = Failure.CERTIFICATE
            detail = f"the certificate of {error.host} doesn't verify: {reason}"
        case aiohttp.ClientConnectorError():
            if isinstance(error, aiohttp.ClientConnectorDNSError):
                failure = Failure.NAME
            reason = reason_of(error.os_error)
            detail = f"can't connect to {error.host}:{error.port}: {reason}"
        case aiohttp.ClientHttpProxyError():
            # A 4xx is about the proxy's setup; any other status is temporary.
            refused = 400 <= error.status <= 499
            failure = Failure.PROXY if refused else Failure.CONNECTION
            detail = f"the proxy answers {phrase(error.status)}"
        case AnswerError():
            begins = hidden(error.begins.decode("latin-1"))
            detail = f"{error}" + (f": it begins with {begins!r}" if begins else "")
        case aiohttp.ServerDisconnectedError():
            detail = "the peer disconnected without an answer"
        case OSError():  # its text may contain a URL of ours
            reason = os.strerror(error.errno) if error.errno else ""
            detail = tls_reason_of(error) or reason or detail
    return Answer(None, failure, printable(detail))


def phrase(status: int) -> str:
    """Return *status* with the standard phrase; the server's could quote a secret."""
    with suppress(ValueError):
        return f"{status} {HTTPStatus(status).phrase}"
    return f"{status}"


def printable(text: str) -> str:
    """Return *text* for a log and a terminal: short, and without control characters."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown[:LONGEST_DETAIL]
