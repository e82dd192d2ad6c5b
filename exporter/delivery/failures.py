"""
Why there was no answer: from an error of the client to a value.

No detail holds a whole URL, whose query may be a token, or one of a proxy.
"""

import aiohttp

from exporter.delivery.outcome import Answer, Failure

LONGEST_DETAIL = 300
ERRORS = (TimeoutError, aiohttp.ClientError, OSError)
"""What a request may raise."""


def answer_to(error: BaseException, seconds: float | None) -> Answer:
    """Return what *error* means; *seconds* were given to the request."""
    failure, detail = Failure.CONNECTION, f"{error}" or type(error).__name__
    match error:
        case TimeoutError():
            failure, detail = Failure.TIMEOUT, f"no answer within {seconds:g} s"
        case aiohttp.ClientConnectorCertificateError():
            failure, detail = Failure.CERTIFICATE, f"{error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            failure, detail = Failure.NAME, _unconnected(error)
        case aiohttp.ClientConnectorError():
            detail = _unconnected(error)
        case aiohttp.ClientHttpProxyError():
            # Who may go where is the proxy's setup; the rest is its bad moment.
            refused = 400 <= error.status <= 499
            failure = Failure.PROXY if refused else Failure.CONNECTION
            detail = f"the proxy answers {error.status} {error.message}"
        case aiohttp.ClientResponseError():
            # Its message quotes what came, which may be what we sent.
            detail = "the answer is no HTTP"
    return Answer(None, failure, printable(detail))


def is_hang_up(error: BaseException) -> bool:
    """Whether *error* is a connection that ended without an answer."""
    if isinstance(error, (TimeoutError, aiohttp.ClientConnectorError)):
        return False
    return isinstance(error, aiohttp.ClientConnectionError)


def _unconnected(error: aiohttp.ClientConnectorError) -> str:
    reason = error.os_error.strerror or str(error.os_error)
    return f"{error.host}:{error.port} can't be connected to: {reason}"


def printable(text: str) -> str:
    """Return *text* fit for a log and a terminal: short, and without controls."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown[:LONGEST_DETAIL]
