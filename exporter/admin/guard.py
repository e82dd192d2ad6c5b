"""
Who may ask what on the admin port.

Metrics and health are open. Everything else shows or changes events, and needs the
token that every start writes beside the spool: whoever can read that file could read
the spool as well. No web page can, so none can use somebody's browser to ask us.
"""

import hmac
import logging
import os
import secrets
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from exporter.base import codec
from exporter.base.errors import ExporterError

FILE = "admin.token"
OPEN = frozenset({"/metrics", "/healthz", "/readyz"})

log = logging.getLogger(__name__)


class InputError(ExporterError):
    """What was asked for means nothing; nothing was changed."""


def issue(directory: Path) -> str:
    """
    Return a new token, which is in *directory* now for this user alone.

    A disk that doesn't take it keeps no event from going out: that is only logged.
    """
    token = secrets.token_urlsafe(32)
    new = directory / f"{FILE}.new"
    try:
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "w", encoding="ascii") as file:
            file.write(f"{token}\n")
        new.replace(directory / FILE)
    except OSError as error:
        log.warning(
            "admin token not written: commands can't reach this service",
            extra={"file": str(directory / FILE), "reason": error.strerror},
        )
    return token


def guard(token: str) -> Middleware:
    """Return the middleware that lets in who has *token*, and gives errors a form."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN and not _has(request, token):
            return failure(
                401,
                "This needs the header Authorization: Bearer TOKEN, with the token "
                f"from {FILE} in APP_INTEGRATIONS_SPOOL_DIR. Read it again after a "
                "restart: every start writes a new one",
                **{hdrs.WWW_AUTHENTICATE: "Bearer"},
            )
        try:
            return await handler(request)
        except web.HTTPException as error:
            allowed = error.headers.get(hdrs.ALLOW)
            return failure(
                error.status,
                f"{request.method} {request.path} is not served here: {error.reason}",
                **({hdrs.ALLOW: allowed} if allowed else {}),
            )
        except InputError as error:
            return failure(400, str(error))
        except ExporterError as error:
            return failure(503, str(error))

    return guarded


def reply(body: object, status: int = 200, **headers: str) -> web.Response:
    """Return *body* as JSON."""
    return web.Response(
        body=codec.encode(body) + b"\n",
        status=status,
        headers=headers,
        content_type="application/json",
    )


def failure(status: int, reason: str, **headers: str) -> web.Response:
    """Return an error that says in *reason* what happened and what to do."""
    return reply({"error": reason}, status, **headers)


def _has(request: web.Request, token: str) -> bool:
    kind, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(
        given.encode(errors="surrogateescape"), token.encode()
    )
