"""
Why there was no answer: from an error of the client to a value.

Details are our own words: errors of the client quote answers, URLs and requests.
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
    error: BaseException, seconds: float | None, hide: Callable[[str], str]
) -> Answer:
    """
    Return what *error* means; *seconds* were given to the request.

    *hide* takes secrets out of the first bytes of what came instead of an answer.
    """
    failure, detail = Failure.CONNECTION, "the connection broke off"
    match error:
        case TimeoutError():
            failure, detail = Failure.TIMEOUT, f"no answer within {seconds:g} s"
        case aiohttp.ClientConnectorCertificateError():
            failure, detail = Failure.CERTIFICATE, f"{error.certificate_error}"
        case aiohttp.ClientConnectorError():
            if isinstance(error, aiohttp.ClientConnectorDNSError):
                failure = Failure.NAME
            reason = reason_of(error.os_error)
            detail = f"{error.host}:{error.port} can't be connected to: {reason}"
        case aiohttp.ClientHttpProxyError():
            # Who may go where is the proxy's setup; the rest is its bad moment.
            refused = 400 <= error.status <= 499
            failure = Failure.PROXY if refused else Failure.CONNECTION
            detail = f"the proxy answers {phrase(error.status)}"
        case AnswerError():
            begins = hide(error.begins.decode("latin-1"))
            detail = f"{error}" + (f": it begins with {begins!r}" if begins else "")
        case aiohttp.ServerDisconnectedError():
            detail = "the peer disconnected without an answer"
        case OSError():  # its text may be a URL of ours
            reason = os.strerror(error.errno) if error.errno else ""
            detail = tls_reason_of(error) or reason or detail
    return Answer(None, failure, printable(detail))


def phrase(status: int) -> str:
    """Return *status* in our own words: those of an answer could repeat a secret."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"


def printable(text: str) -> str:
    """Return *text* fit for a log and a terminal: short, and without controls."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown[:LONGEST_DETAIL]
