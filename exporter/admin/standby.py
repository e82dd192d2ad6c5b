"""
Stand by: what `run --standby` does while the exporter is switched off.

It's for a container that is always there, like a sidecar, which has to look well all
the same. No spool is opened, and no port for the broker.
"""

import logging

from aiohttp import web

from exporter import logs
from exporter.admin.admin import ADMIN
from exporter.admin.guard import reply
from exporter.base.process import asked_to_stop
from exporter.config import settings, variables
from exporter.net.listening import listening

log = logging.getLogger(__name__)


async def stand_by(reason: str) -> None:
    """Answer probes until SIGTERM or SIGINT, after the *reason* is in the log."""
    logs.configure("INFO", "auto")
    for unknown in variables.unknown():  # perhaps the URL, misspelt
        log.warning("setting unknown", extra={"detail": unknown})
    stopping = asked_to_stop()
    told = settings.only("admin_host", "admin_port")
    host, port = told["admin_host"], told["admin_port"]
    async with listening(_app(), host, port, names=ADMIN) as found:
        admin = f"{host}:{found}"
        log.info("standing by", extra={"reason": reason, "admin": admin})
        await stopping.wait()


def _app() -> web.Application:
    app = web.Application()
    app.add_routes([web.get("/healthz", _is_well), web.get("/readyz", _is_well)])
    return app


async def _is_well(_: web.Request) -> web.Response:
    return reply({"status": "standing by"})
