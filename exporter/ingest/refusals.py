"""Refuse requests that no exporter of a broker sends."""

import base64
import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

FORM = "application/x-www-form-urlencoded"


class RefusedError(Exception):
    """A request is refused; *reason* says what happened and what to do."""

    def __init__(self, status: HTTPStatus, reason: object) -> None:
        super().__init__(reason)
        self.status = status


def check(request: web.Request, password: Callable[[], str] | None) -> None:
    """Raise `RefusedError` for a request that no exporter of a broker sends."""
    headers = request.headers
    if "Origin" in headers:
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "Requests of web pages are refused, and this one has the header Origin",
        )
    if password is not None and not _is_allowed(headers, password()):
        raise RefusedError(
            HTTPStatus.UNAUTHORIZED,
            "The credentials are wrong or missing. In the broker's exporter, set "
            "authentication.username and authentication.password to the values of "
            "APP_INTEGRATIONS_INGEST_USERNAME and APP_INTEGRATIONS_INGEST_PASSWORD",
        )
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    # Web pages may send these types. Newer exporters may send other application types.
    foreign = kind == FORM or (kind and not kind.startswith("application/"))
    if foreign and request.method not in ("GET", "HEAD"):
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "This Content-Type is refused, because web pages can send it: use "
            "application/x-ndjson or application/json",
        )
    content = headers.get("Content-Encoding", "").lower()
    transfer = headers.get("Transfer-Encoding", "").lower()
    if content not in ("", "identity") or transfer not in ("", "chunked"):
        # No broker compresses, and a small compressed body may be huge.
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Compressed bodies are refused: send the body without Content-Encoding",
        )


def _is_allowed(headers: Mapping[str, str], password: str) -> bool:
    kind, _, encoded = headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded)
    except ValueError:
        return False
    # The broker also sends the newline at the end of a password in a mounted file.
    return hmac.compare_digest(given.rstrip(b"\r\n"), password.encode())
