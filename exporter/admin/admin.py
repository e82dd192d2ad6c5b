"""
The admin port: metrics, status, and the two questions Kubernetes asks.

Healthy means that the loop turns and the writer answers: what a restart can mend. Ready
means that ingest can accept; a backend in trouble changes neither, because an unready
pod leaves its Service and the broker could no longer reach it.
"""

import asyncio
import time
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import exposition

from exporter.admin.guard import guard, reply
from exporter.base.errors import ExporterError
from exporter.spool import Spool, SpoolDamagedError, SpoolFailedError, SpoolLostError
from exporter.watch.metrics import Metrics
from exporter.watch.status import status_of
from exporter.watch.view import View

ADMIN = ("APP_INTEGRATIONS_ADMIN_HOST", "APP_INTEGRATIONS_ADMIN_PORT")
"""The settings of its address."""
WRITER_SECONDS = 5.0


class Admin:
    """Answers what is asked on the admin port."""

    def __init__(
        self,
        spool: Spool,
        metrics: Metrics,
        view: View,
        *,
        token: str,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        """
        Show *metrics* and *view*, and ask *spool* to prove itself.

        What else there is comes as *routes*, and is for those who know the *token*.
        """
        self._spool = spool
        self._metrics = metrics
        self._view = view
        self._token = token
        self._routes = routes
        self.accepting = False
        """Whether ingest listens."""

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[guard(self._token)])
        app.add_routes(
            [
                web.get("/metrics", self._show_metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/status", self._show_status),
                *self._routes,
            ]
        )
        return app

    async def _show_metrics(self, request: web.Request) -> web.Response:
        await self._view.look()
        accept = request.headers.get("Accept", "")
        try:
            encode, content_type = exposition.choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = exposition.choose_encoder("")
        body = encode(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _show_status(self, _: web.Request) -> web.Response:
        hindrance = await self._hindrance()
        await self._view.look()
        body = status_of(
            self._view, self._metrics, hindrance=hindrance, now=time.time()
        )
        return reply(body)

    async def _healthz(self, _: web.Request) -> web.Response:
        try:
            await self._proof()
        except TimeoutError:
            return _verdict(f"the spool didn't answer within {WRITER_SECONDS:g} s")
        except SpoolDamagedError as error:
            return _verdict(str(error))
        except SpoolLostError as error:
            # What it still holds would be lost with a restart.
            if all(each.empty.is_set() for each in self._spool.outboxes.values()):
                return _verdict(str(error))
        except SpoolFailedError:
            pass  # the writer lives; a restart wouldn't mend the disk
        return _verdict(None)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(await self._hindrance())

    async def _hindrance(self) -> str | None:
        """Return why ingest can't accept, if so."""
        if not self.accepting:
            return "ingest isn't listening: starting or shutting down"
        try:
            await self._proof()
        except TimeoutError:
            return f"the spool didn't answer within {WRITER_SECONDS:g} s"
        except ExporterError as error:
            return str(error)
        if self._spool.full:
            held = self._spool.waiting.size + self._spool.dead.size
            return f"the spool is full: {held} bytes"
        return None

    async def _proof(self) -> None:
        async with asyncio.timeout(WRITER_SECONDS):
            await self._spool.check_writable()


def _verdict(problem: str | None) -> web.Response:
    body = {"status": "unavailable", "reason": problem} if problem else {"status": "ok"}
    return reply(body, 503 if problem else 200)
