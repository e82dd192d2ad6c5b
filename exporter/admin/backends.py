"""
Backends on the admin port: what each still has to get, also those of the past.

What waits for a backend that isn't configured any more is kept until somebody decides.
"""

import logging
from typing import Any

from aiohttp import web

from exporter.admin.guard import InputError, reply
from exporter.base import codec
from exporter.spool import Spool

PATH = "/backends"

log = logging.getLogger(__name__)


def routes(spool: Spool) -> list[web.RouteDef]:
    """Return the routes of the admin port for the backends of *spool*."""

    async def show(_: web.Request) -> web.Response:
        names = [*spool.outboxes, *spool.left_behind]
        return reply({"backends": [_shown(spool, name) for name in names]})

    async def drop(request: web.Request) -> web.Response:
        old = _past(spool, await request.read())
        count = await spool.discard_backend(old)
        about = {"backend": old, "events": count}
        log.info("events of a backend were dropped", extra=about)
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


def _past(spool: Spool, body: bytes) -> str:
    """Return the backend that *body* names, if *spool* holds something of its past."""
    name = _name(body)
    if name in spool.outboxes:
        raise InputError(
            f"{name} is configured",
            remedy="Take it out of APP_INTEGRATIONS_BACKENDS first, and restart",
        )
    if name not in spool.left_behind:
        past = ", ".join(spool.left_behind) or "none"
        raise InputError(
            f"Nothing is kept for a backend {name[:40]!r}",
            remedy=f"These are no longer configured: {past}",
        )
    return name


def _name(body: bytes) -> str:
    """Return the name that *body* has in `backend`, and in nothing else."""
    try:
        asked = codec.decode(body)
    except ValueError:
        asked = None
    match asked:
        case {"backend": str(name)} if len(asked) == 1:
            return name
    raise InputError(
        "The body isn't what this takes", remedy='Send {"backend": "its name"}'
    )
