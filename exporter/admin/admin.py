"""
The admin port: metrics, status, and the probes of Kubernetes.

/healthz fails only if a restart helps: the event loop hangs or the spool's writer
doesn't answer. /readyz fails if ingest can't accept. A failing backend changes neither:
an unready pod leaves its Service, and the broker could no longer reach it.
"""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from exporter.admin.guard import guard, reply
from exporter.base.errors import ExporterError
from exporter.spool import Spool, SpoolDamagedError, SpoolLostError
from exporter.watch.status import Status

ADMIN = ("APP_INTEGRATIONS_ADMIN_HOST", "APP_INTEGRATIONS_ADMIN_PORT")
"""The settings of its address."""
WRITER_SECONDS = 5.0


class Admin:
    """The application of the admin port."""

    def __init__(
        self,
        spool: Spool,
        status: Status,
        *,
        token: str,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        """Serve *routes* as well; like /status they need the *token*."""
        self._spool = spool
        self._status = status
        self._token = token
        self._routes = routes
        self.accepting = False
        """Whether the ingest port is open."""

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[guard(self._token)])
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/status", self._show_status),
                *self._routes,
            ]
        )
        return app

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=await self._status.scrape(),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    async def _show_status(self, _: web.Request) -> web.Response:
        return reply(await self._status.read(await self._hindrance()))

    async def _healthz(self, _: web.Request) -> web.Response:
        problem = await self._problem()
        return _probe(str(problem) if self._restart_helps(problem) else None)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _probe(await self._hindrance())

    async def _hindrance(self) -> str | None:
        """Return the reason why ingest can't accept events, or None."""
        if not self.accepting:
            return "ingest isn't listening: starting or shutting down"
        if problem := await self._problem():
            return str(problem)
        if self._spool.full:
            held = self._spool.waiting.size + self._spool.dead.size
            return f"the spool is full: {held} bytes"
        return None

    async def _problem(self) -> Exception | None:
        """Return the error of a write to the spool, or None."""
        try:
            async with asyncio.timeout(WRITER_SECONDS):
                await self._spool.check_writable()
        except TimeoutError:
            return TimeoutError(f"the spool didn't answer within {WRITER_SECONDS:g} s")
        except ExporterError as error:
            return error
        return None

    def _restart_helps(self, problem: Exception | None) -> bool:
        if isinstance(problem, SpoolLostError):
            # A restart would lose the events that the spool still holds.
            return all(each.empty.is_set() for each in self._spool.outboxes.values())
        # With any other error the writer works, and a restart doesn't repair the disk.
        return isinstance(problem, TimeoutError | SpoolDamagedError)


def _probe(problem: str | None) -> web.Response:
    body = {"status": "unavailable", "reason": problem} if problem else {"status": "ok"}
    return reply(body, 503 if problem else 200)
