"""
Stand by: `run --standby` does this while the exporter is switched off.

A container that always exists, like a sidecar, must then still be healthy. Standing by
opens neither the spool nor the ingest port.
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
    """Log *reason*, and answer probes until SIGTERM or SIGINT."""
    logs.configure("INFO", "auto")
    for unknown in variables.unknown():  # perhaps the URL, misspelt
        log.warning("setting unknown", extra={"detail": unknown})
    stopping = asked_to_stop()
    address = settings.only("admin_host", "admin_port")
    host, port = address.admin_host, address.admin_port
    app = web.Application()
    app.add_routes([web.get(path, _healthy) for path in ("/healthz", "/readyz")])
    async with listening(app, host, port, names=ADMIN) as found:
        admin = f"{host}:{found}"
        log.info("standing by", extra={"reason": reason, "admin": admin})
        await stopping.wait()


async def _healthy(_: web.Request) -> web.Response:
    return reply({"status": "standing by"})
