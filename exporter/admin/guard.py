"""
The token of the admin port, and the form of its errors.

Metrics and health are open. Everything else shows or changes events and needs the token
that every start writes next to the spool: a user who can read that file can also read
the spool. A web page can't read it, so it can't send requests through a user's browser.
"""

import hmac
import logging
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA

from exporter.base import codec
from exporter.base.errors import ExporterError

FILE = "admin.token"
OPEN = frozenset({"/metrics", "/healthz", "/readyz"})
LONGEST_NAME = 40

log = logging.getLogger(__name__)


class InputError(ExporterError):
    """A request isn't valid; nothing was changed."""


def issue(directory: Path) -> str:
    """
    Return a new token, and write it to *directory*, readable only by this user.

    An error of the disk is only logged, because events can still be delivered.
    """
    token = secrets.token_urlsafe(32)
    new = directory / f"{FILE}.new"
    try:
        new.unlink(missing_ok=True)
        new.touch(0o600, exist_ok=False)
        new.write_text(f"{token}\n", encoding="ascii")
        new.replace(directory / FILE)
    except OSError as error:
        log.warning(
            "admin token not written: commands can't reach this service",
            extra={"file": str(directory / FILE), "reason": error.strerror},
        )
    return token


def guard(token: str) -> Middleware:
    """Return the middleware that demands *token*, and makes errors JSON."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN and not _has(request, token):
            problem = (
                "The token is missing or wrong. Send Authorization: Bearer TOKEN. Each "
                f"start of the service writes a token to {FILE} in its "
                "APP_INTEGRATIONS_SPOOL_DIR"
            )
            return reply({"error": problem}, 401, **{hdrs.WWW_AUTHENTICATE: "Bearer"})
        try:
            return await handler(request)
        except web.HTTPException as error:
            allowed = error.headers.get(hdrs.ALLOW)
            headers = {hdrs.ALLOW: allowed} if allowed else {}
            what = f"{request.method} {request.path} isn't served here: {error.reason}"
            return reply({"error": what}, error.status, **headers)
        except ExporterError as error:
            status = 400 if isinstance(error, InputError) else 503
            return reply({"error": str(error)}, status)

    return guarded


def loaded(schema: Schema, values: Mapping[str, Any] | bytes) -> dict[str, Any]:
    """Return *values*, or the JSON in them, as *schema* reads them."""
    try:
        given = codec.decode(values) if isinstance(values, bytes) else values
        found: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        problem = "; ".join(dict.fromkeys(_problems(error.messages)))
    except ValueError:
        problem = "the body isn't JSON"
    else:
        return found
    raise InputError(
        f"The request isn't valid: {problem}",
        remedy="docs/dead-letters.md describes valid requests",
    )


def _problems(messages: Any, name: str = "") -> Iterator[str]:
    """Yield each of marshmallow's *messages* after its *name*: `limit: must be ...`."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            # In a list, the key is the number of a value.
            yield from _problems(inner, name or str(key).replace(SCHEMA, "the body"))
        return
    for each in messages:
        yield f"{name[:LONGEST_NAME]}: {each[0].lower()}{each[1:].rstrip('.')}"


def reply(body: object, status: int = 200, **headers: str) -> web.Response:
    """Return *body* as JSON."""
    return web.Response(
        body=codec.encode(body) + b"\n",
        status=status,
        headers=headers,
        content_type="application/json",
    )


def _has(request: web.Request, token: str) -> bool:
    kind, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(
        given.encode(errors="surrogateescape"), token.encode()
    )
