"""Requests that no exporter of a broker sends, and the answers to them."""

import base64
import hmac
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

FORM = "application/x-www-form-urlencoded"


class RefusedError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: HTTPStatus, reason: object) -> None:
        """Answer *status*; *reason* says what happened and what to do."""
        super().__init__(reason)
        self.status = status


def check(request: web.Request, password: Callable[[], str] | None) -> None:
    """Raise `RefusedError` for a request that no exporter of a broker sends."""
    if "Origin" in request.headers:
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "Requests of web pages are refused: this one has the header Origin",
        )
    if not _may(request, password):
        raise RefusedError(
            HTTPStatus.UNAUTHORIZED,
            "Wrong or missing credentials. Give the broker's exporter the values "
            "of APP_INTEGRATIONS_INGEST_USERNAME and _PASSWORD as "
            "authentication.username and authentication.password",
        )
    asks = request.method in ("GET", "HEAD")
    if not asks and _is_foreign(request.headers.get("Content-Type", "")):
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "No exporter sends this Content-Type, but web pages may: send "
            "application/x-ndjson or application/json",
        )
    if _is_compressed(request):
        # No broker compresses, and a small body may become a huge one.
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Compressed bodies are not taken: send it without Content-Encoding",
        )


def _may(request: web.Request, password: Callable[[], str] | None) -> bool:
    if password is None:
        return True
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        told = base64.b64decode(given)
    except ValueError:
        return False
    # A mounted password ends in a newline, which the broker sends and we drop.
    return hmac.compare_digest(told.rstrip(b"\r\n"), password().encode())


def _is_foreign(content_type: str) -> bool:
    """Whether web pages may send this type; newer exporters may have new ones."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == FORM or bool(kind and not kind.startswith("application/"))


def _is_compressed(request: web.Request) -> bool:
    content = request.headers.get("Content-Encoding", "").lower()
    transfer = request.headers.get("Transfer-Encoding", "").lower()
    return content not in ("", "identity") or transfer not in ("", "chunked")
