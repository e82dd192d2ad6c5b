"""
Serve the port that brokers send to.

The path decides what a request is. The content type doesn't: newer clients have other
types for the same body. A refused bulk request is repeated forever, and stops all
exporters of the broker. So every limit is above everything that a broker sends.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from exporter.events import Mapper
from exporter.ingest import answers
from exporter.ingest.refusals import RefusedError, check
from exporter.ingest.upload import Uploads
from exporter.spool import Accepted, Spool, SpoolFailedError, SpoolFullError, Unreadable

OPTIONS = {
    # Longer than any pause of a broker: a request on a connection that is being closed
    # costs the broker an attempt.
    "keepalive_timeout": 2 * 60 * 60,
    # A request that waits for room has two or three times this in memory.
    "read_bufsize": 256 * 1024,
    "auto_decompress": False,
}
"""The options to serve the application with."""

LONGEST_TARGET = 200

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """One bulk request that was accepted."""

    records: int
    events: int
    unreadable: list[Unreadable]
    accepted: Accepted
    seconds: float


class Observer(Protocol):
    """An object that counts and logs requests."""

    def received(self, bulk: Received) -> None:
        """Note a bulk request after its commit."""

    def refused(self, status: int, reason: str) -> None:
        """Note an error."""

    def answered(self, status: int) -> None:
        """Note any answer."""


class Ingest:
    """The requests of the search exporters of brokers 8.5 to 8.10."""

    def __init__(
        self,
        spool: Spool,
        observer: Observer,
        mapper: Mapper,
        password: Callable[[], str] | None = None,
    ) -> None:
        """Require basic authentication if *password* returns `user:password`."""
        self._spool = spool
        self._observer = observer
        self._uploads = Uploads(mapper)
        self._password = password

    def app(self) -> web.Application:
        """Return the application, to be served with `OPTIONS`."""
        app = web.Application(middlewares=[self._guard])
        app.on_shutdown.append(self._stop)
        acknowledge = _always(answers.ACKNOWLEDGED)
        no_policy = _always(answers.NO_POLICY, HTTPStatus.NOT_FOUND)
        no_indices = _always(answers.NO_INDICES)
        app.add_routes(
            [
                web.get("/", _always(answers.INFO)),
                web.post("/_bulk", self._bulk),
                web.put("/_bulk", self._bulk),
                web.put("/_component_template/{name}", acknowledge),
                web.put("/_index_template/{name}", acknowledge),
                web.put("/_ilm/policy/{name}", acknowledge),
                web.put("/{indices}/_settings", acknowledge),
                web.get("/_plugins/_ism/policies/{name}", no_policy),
                web.delete("/_plugins/_ism/policies/{name}", no_policy),
                web.put("/_plugins/_ism/policies/{name}", _always(answers.POLICY)),
                web.post("/_plugins/_ism/add/{indices}", no_indices),
                web.post("/_plugins/_ism/remove/{indices}", no_indices),
            ]
        )
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        try:
            response = await self._answer(request, handler)
        except Exception:
            self._observer.answered(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise
        self._observer.answered(response.status)
        return response

    async def _stop(self, _: web.Application) -> None:
        self._uploads.stop()

    async def _answer(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Return the answer of *handler*, or an error in the form of Elasticsearch."""
        try:
            check(request, self._password)
            return await handler(request)
        except RefusedError as error:
            return self._refuse(error.status, str(error))
        except web.HTTPException as error:
            if request.method in ("GET", "HEAD"):
                # A newer broker that gets an error for a question would repeat it
                # forever, and stop all its exporters.
                return answers.json(answers.NOTHING)
            allowed = error.headers.get("Allow")
            target = request.rel_url.raw_path[:LONGEST_TARGET]
            return self._refuse(
                error.status,
                f"{request.method} {target} is not served here: "
                f"{error.reason}. This is the App Integrations Exporter. It accepts "
                "requests of the broker's Elasticsearch exporter: bulk requests, "
                "templates, policies and settings",
                **({"Allow": allowed} if allowed else {}),
            )

    async def _bulk(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        with self._uploads.budget.share() as share:
            intake = await self._uploads.take(request, share)
            try:
                accepted = await self._spool.append(intake.events, intake.unreadable)
            except SpoolFullError as error:
                raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, error) from None
            except SpoolFailedError as error:
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, error) from None
            self._observer.received(
                Received(
                    records=len(intake.answers),
                    events=len(intake.events),
                    unreadable=intake.unreadable,
                    accepted=accepted,
                    seconds=time.perf_counter() - started,
                )
            )
            return answers.bulk(intake.answers)

    def _refuse(self, status: int, reason: str, **headers: str) -> web.Response:
        self._observer.refused(status, reason)
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Basic realm="app-integrations-exporter"'
        response = answers.error(status, reason, **headers)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            response.force_close()
        return response


def _always(body: bytes, status: int = HTTPStatus.OK) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return answers.json(body, status)

    return handler
