"""
Backends on the admin port: the events that wait for each, and how to drop them.

Events of a backend that isn't configured any more are kept until somebody drops them.
"""

import logging
from typing import Any

from aiohttp import web
from marshmallow import Schema, fields

from exporter.admin.guard import InputError, loaded, reply
from exporter.spool import Spool

PATH = "/backends"
Body = Schema.from_dict({"backend": fields.Str(required=True)})

log = logging.getLogger(__name__)


def routes(spool: Spool) -> list[web.RouteDef]:
    """Return the routes for the backends of *spool*."""

    async def show(_: web.Request) -> web.Response:
        names = [*spool.outboxes, *spool.left_behind]
        return reply({"backends": [_shown(spool, name) for name in names]})

    async def drop(request: web.Request) -> web.Response:
        body = loaded(Body(), await request.read())
        backend = _left_behind(spool, body["backend"])
        count = await spool.discard_backend(backend)
        fields = {"backend": backend, "events": count}
        log.info("events of a backend were dropped", extra=fields)
        return reply({"dropped": count})

    return [web.get(PATH, show), web.post(f"{PATH}/drop", drop)]


def _shown(spool: Spool, name: str) -> dict[str, Any]:
    waiting, dead = spool.waiting_for(name), spool.dead_of(name)
    return {
        "backend": name,
        "configured": name in spool.outboxes,
        "events": waiting.rows,
        "event_bytes": waiting.size,
        "dead_letters": dead.rows,
    }


def _left_behind(spool: Spool, name: str) -> str:
    """Return *name* if it is a backend that isn't configured any more."""
    if name in spool.outboxes:
        raise InputError(
            f"{name} is configured",
            remedy="Remove it from APP_INTEGRATIONS_BACKENDS and restart first",
        )
    if name not in spool.left_behind:
        others = ", ".join(spool.left_behind) or "none"
        raise InputError(
            f"Nothing is kept for a backend {name[:40]!r}",
            remedy=f"Backends with events that are no longer configured: {others}",
        )
    return name
