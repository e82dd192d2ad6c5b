"""
The admin port: metrics, status, and the probes of Kubernetes.

/healthz fails only if a restart helps: the event loop hangs or the spool's writer
doesn't answer. /readyz fails if ingest can't accept. A failing backend changes neither:
an unready pod leaves its Service, and the broker could no longer reach it.
"""

import asyncio
import time
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import exposition

from exporter.admin.guard import guard, reply
from exporter.base.errors import ExporterError
from exporter.spool import Spool, SpoolDamagedError, SpoolFailedError, SpoolLostError
from exporter.watch.service import ServiceObserver
from exporter.watch.snapshot import Snapshots
from exporter.watch.status import status_of

ADMIN = ("APP_INTEGRATIONS_ADMIN_HOST", "APP_INTEGRATIONS_ADMIN_PORT")
"""The settings of its address."""
WRITER_SECONDS = 5.0
NO_ANSWER = f"the spool didn't answer within {WRITER_SECONDS:g} s"


class Admin:
    """The application of the admin port."""

    def __init__(
        self,
        spool: Spool,
        observer: ServiceObserver,
        snapshots: Snapshots,
        *,
        token: str,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        """Serve *routes* as well; like /status they need the *token*."""
        self._spool = spool
        self._observer = observer
        self._snapshots = snapshots
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
                web.get("/status", self._status),
                *self._routes,
            ]
        )
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        self._observer.show(await self._snapshots.take())
        accept = request.headers.get("Accept", "")
        try:
            encode, content_type = exposition.choose_encoder(accept)
        except (TypeError, ValueError):  # the header has an invalid version
            encode, content_type = exposition.choose_encoder("")
        body = encode(self._observer.registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _status(self, _: web.Request) -> web.Response:
        hindrance = await self._hindrance()
        snapshot = await self._snapshots.take()
        return reply(
            status_of(snapshot, self._observer, hindrance=hindrance, now=time.time())
        )

    async def _healthz(self, _: web.Request) -> web.Response:
        problem = None
        try:
            await self._check_writer()
        except TimeoutError:
            problem = NO_ANSWER
        except SpoolDamagedError as error:
            problem = str(error)
        except SpoolLostError as error:
            # A restart would lose the events that the spool still holds.
            if all(each.empty.is_set() for each in self._spool.outboxes.values()):
                problem = str(error)
        except SpoolFailedError:
            pass  # the writer works, and a restart wouldn't repair the disk
        return _probe(problem)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _probe(await self._hindrance())

    async def _hindrance(self) -> str | None:
        """Return the reason why ingest can't accept events, or None."""
        if not self.accepting:
            return "ingest isn't listening: starting or shutting down"
        try:
            await self._check_writer()
        except TimeoutError:
            return NO_ANSWER
        except ExporterError as error:
            return str(error)
        if self._spool.full:
            held = self._spool.waiting.size + self._spool.dead.size
            return f"the spool is full: {held} bytes"
        return None

    async def _check_writer(self) -> None:
        async with asyncio.timeout(WRITER_SECONDS):
            await self._spool.check_writable()


def _probe(problem: str | None) -> web.Response:
    body = {"status": "unavailable", "reason": problem} if problem else {"status": "ok"}
    return reply(body, 503 if problem else 200)
