"""
Turn what came back from a request into an answer.

Pure. Details are our own words, because messages of the client may quote answers, URLs
and requests.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

from exporter.delivery.heads import AnswerError
from exporter.delivery.outcome import Answer, Failure
from exporter.net.tls import reason_of, tls_reason_of

ERRORS = (TimeoutError, aiohttp.ClientError, OSError)
"""What a request may raise."""
LONGEST_DETAIL = 300
EXCERPT_LENGTH = 2048
SECONDS = re.compile(r"\+?([0-9]{1,9}(?:\.[0-9]*)?) *(?:s|sec|seconds)?(?:[,;].*)?")
"""The standard form, and what servers and proxies really send: `7.0`, `7, 7`, `+7`."""


def answer_of(
    status: int, headers: Mapping[str, str], body: bytes, hidden: Callable[[str], str]
) -> Answer:
    """Return the answer that a response stands for; *hidden* removes secrets."""
    detail = _phrase(status)
    if 200 <= status <= 299:
        return Answer(status, detail=detail)
    if location := headers.get("Location"):
        # Hidden twice, because a URL may be spelled differently afterwards.
        detail += f", to {hidden(public(hidden(location)))}"
    return Answer(
        status,
        detail=printable(detail),
        excerpt=hidden(body.decode(errors="replace"))[:EXCERPT_LENGTH],
        retry_after=retry_after(headers, time.time()),
    )


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
            detail = f"the proxy answers {_phrase(error.status)}"
        case AnswerError():
            begins = hidden(error.begins.decode("latin-1"))
            detail = f"{error}" + (f": it begins with {begins!r}" if begins else "")
        case aiohttp.ServerDisconnectedError():
            detail = "the peer disconnected without an answer"
        case OSError():  # its text may contain a URL of ours
            reason = os.strerror(error.errno) if error.errno else ""
            detail = tls_reason_of(error) or reason or detail
    return Answer(None, failure, printable(detail))


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return how many seconds *headers* ask to wait, or 0.

    Clocks differ, so a date is compared with the answer's own date if there is one, and
    else with *now*, in seconds since 1970.
    """
    text = headers.get("Retry-After", "").strip()
    if found := SECONDS.fullmatch(text):
        return float(found[1])
    answered = _timestamp(headers.get("Date", ""), now)
    return max(0.0, _timestamp(text, answered) - answered)


def _timestamp(date: str, fallback: float) -> float:
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(date)
        # HTTP dates without a zone are in UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return fallback


def public(location: str) -> str:
    """Return *location* without user, password and query, which may be secrets."""
    try:
        url = URL(location).with_query(None).with_fragment(None)
        return str(url.with_user(None) if url.absolute else url)
    except ValueError:
        return "a location that isn't a URL"


def _phrase(status: int) -> str:
    """Return *status* with the standard phrase; the server's could quote a secret."""
    with suppress(ValueError):
        return f"{status} {HTTPStatus(status).phrase}"
    return f"{status}"


def printable(text: str) -> str:
    """Return *text* for a log and a terminal: short, and without control characters."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown[:LONGEST_DETAIL]
