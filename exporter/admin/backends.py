"""Drop the events of a backend that isn't configured any more, on the admin port."""

import logging

from aiohttp import web
from marshmallow import Schema, fields

from exporter.admin.guard import InputError, loaded, reply
from exporter.spool import Spool

PATH = "/backends/drop"
Body = Schema.from_dict({"backend": fields.Str(required=True)})

log = logging.getLogger(__name__)


def routes(spool: Spool) -> list[web.RouteDef]:
    """Return the route for the backends that *spool* keeps events for."""

    async def drop(request: web.Request) -> web.Response:
        backend = loaded(Body(), await request.read())["backend"]
        if backend not in spool.left_behind:
            raise InputError(
                f"No events were left behind for a backend {backend[:40]!r}",
                remedy="Remove a backend from APP_INTEGRATIONS_BACKENDS and restart "
                f"first. Left behind: {', '.join(spool.left_behind) or 'none'}",
            )
        count = await spool.discard_backend(backend)
        what = {"backend": backend, "events": count}
        log.info("events of a backend were dropped", extra=what)
        return reply({"dropped": count})

    return [web.post(PATH, drop)]
