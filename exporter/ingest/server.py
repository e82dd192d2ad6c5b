"""
The port the broker sends to: bulk requests in, and an answer after the commit.

Paths decide what is asked for, never content types: newer clients label the same body
differently. Whatever a bulk request holds is accepted; the broker would repeat for ever
what isn't, and meanwhile none of its exporters would get on. So every limit here is
above anything that a broker sends.
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
    # Longer than any pause of a broker: a race with its next request costs an attempt.
    "keepalive_timeout": 2 * 60 * 60,
    # A request that waits for room has two or three times this in memory.
    "read_bufsize": 256 * 1024,
    "auto_decompress": False,
}
"""How the application has to be served."""

READING = frozenset({"GET", "HEAD"})
STRANGERS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
"""Answers after which the connection is closed."""
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


class Watch(Protocol):
    """Who wants to know what ingest does."""

    def received(self, bulk: Received) -> None:
        """Learn of a *bulk* request that is safe on disk."""

    def refused(self, status: int, reason: str) -> None:
        """Learn of a request that was answered with an error."""

    def answered(self, status: int) -> None:
        """Learn of an answer to any request, as it leaves."""


class Ingest:
    """The requests of brokers 8.5 to 8.10, of both search exporters."""

    def __init__(
        self,
        spool: Spool,
        watch: Watch,
        mapper: Mapper,
        password: Callable[[], str] | None = None,
    ) -> None:
        """
        Keep in *spool* what *mapper* makes of records.

        Asks for basic authentication with the `user:password` of now, if any.
        """
        self._spool = spool
        self._watch = watch
        self._uploads = Uploads(mapper)
        self._password = password

    def app(self) -> web.Application:
        """Return the application, to be served with `OPTIONS`."""
        app = web.Application(middlewares=[self._guard])
        app.on_shutdown.append(self._stop)
        app.add_routes(
            [
                web.get("/", _info),
                web.post("/_bulk", self._bulk),
                web.put("/_bulk", self._bulk),
                web.put("/_component_template/{name}", _acknowledge),
                web.put("/_index_template/{name}", _acknowledge),
                web.put("/_ilm/policy/{name}", _acknowledge),
                web.put("/{indices}/_settings", _acknowledge),
                web.get("/_plugins/_ism/policies/{name}", _no_policy),
                web.delete("/_plugins/_ism/policies/{name}", _no_policy),
                web.put("/_plugins/_ism/policies/{name}", _policy),
                web.post("/_plugins/_ism/add/{indices}", _no_indices),
                web.post("/_plugins/_ism/remove/{indices}", _no_indices),
            ]
        )
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Let in who may, and mention every answer, also one to a mistake of ours."""
        try:
            response = await self._answer(request, handler)
        except Exception:
            self._watch.answered(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise
        self._watch.answered(response.status)
        return response

    async def _stop(self, _: web.Application) -> None:
        self._uploads.stop()

    async def _answer(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Return what *handler* says to whom it may; every error gets its form."""
        try:
            check(request, self._password)
            return await handler(request)
        except RefusedError as error:
            return self._refuse(error.status, str(error))
        except web.HTTPException as error:
            if request.method in READING:
                # Whatever a broker asks one day and gets no success for, it would ask
                # for ever, and none of its exporters would get on.
                return answers.json(answers.NOTHING)
            allowed = error.headers.get("Allow")
            target = request.rel_url.raw_path[:LONGEST_TARGET]
            return self._refuse(
                error.status,
                f"{request.method} {target} is not served here: "
                f"{error.reason}. This is the App Integrations Exporter, which "
                "takes what the broker's Elasticsearch exporter sends: bulk requests, "
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
            self._watch.received(
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
        self._watch.refused(status, reason)
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Basic realm="app-integrations-exporter"'
        response = answers.error(status, reason, **headers)
        if status in STRANGERS:
            response.force_close()
        return response


async def _info(_: web.Request) -> web.Response:
    return answers.json(answers.INFO)


async def _acknowledge(_: web.Request) -> web.Response:
    return answers.json(answers.ACKNOWLEDGED)


async def _no_policy(_: web.Request) -> web.Response:
    return answers.json(answers.NO_POLICY, HTTPStatus.NOT_FOUND)


async def _policy(_: web.Request) -> web.Response:
    return answers.json(answers.POLICY)


async def _no_indices(_: web.Request) -> web.Response:
    return answers.json(answers.NO_INDICES)
