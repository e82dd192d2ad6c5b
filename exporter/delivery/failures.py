"""
Turn an error of the HTTP client into an answer.

The details are our own words, because messages of the client may quote answers, URLs
and requests.
"""

import os
from collections.abc import Callable
from http import HTTPStatus

import aiohttp

from exporter.delivery.heads import AnswerError
from exporter.delivery.outcome import Answer, Failure
from exporter.net.tls import reason_of, tls_reason_of

LONGEST_DETAIL = 300
ERRORS = (TimeoutError, aiohttp.ClientError, OSError)
"""What a request may raise."""


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
            failure, detail = Failure.CERTIFICATE, f"{error.certificate_error}"
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
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"


def printable(text: str) -> str:
    """Return *text* for a log and a terminal: short, and without control characters."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown[:LONGEST_DETAIL]
