"""
The port the broker sends to: bulk requests in, and an answer after the commit.

Paths decide what is asked for, never content types: newer clients label the same body
differently. Whatever a bulk request holds is accepted; the broker would repeat for ever
what isn't, and meanwhile none of its exporters would get on.
"""

import base64
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import aiohttp
from aiohttp import web

from exporter.errors import ExporterError
from exporter.events import Mapper
from exporter.ingest import answers
from exporter.ingest.intake import Intake
from exporter.spool import (
    Accepted,
    Spool,
    SpoolFailedError,
    SpoolFullError,
    Unreadable,
)

OPTIONS = {
    # Longer than any pause of a broker: a race with its next request costs an attempt.
    "keepalive_timeout": 2 * 60 * 60,
    "read_bufsize": 256 * 1024,
    "auto_decompress": False,
}
"""How the application has to be served."""

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
        self._mapper = mapper
        self._password = password

    def app(self) -> web.Application:
        """Return the application, to be served with `OPTIONS`."""
        app = web.Application(middlewares=[self._guard])
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

    async def _answer(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Return what *handler* says to whom it may; every error gets its form."""
        if not self._may(request):
            return self._refuse(
                HTTPStatus.UNAUTHORIZED,
                "security_exception",
                "Wrong or missing credentials. Give the broker's exporter the values "
                "of APP_INTEGRATIONS_INGEST_USERNAME and _PASSWORD as "
                "authentication.username and authentication.password",
                **{"WWW-Authenticate": 'Basic realm="app-integrations-exporter"'},
            )
        try:
            return await handler(request)
        except web.HTTPException as error:
            allowed = error.headers.get("Allow")
            return self._refuse(
                error.status,
                "illegal_argument_exception",
                f"{request.method} {request.path} is not served here: "
                f"{error.reason}. This is the App Integrations Exporter, which "
                "takes what the broker's Elasticsearch exporter sends",
                **({"Allow": allowed} if allowed else {}),
            )

    async def _bulk(self, request: web.Request) -> web.Response:
        if _is_compressed(request):
            # No broker compresses, and a small body may become a huge one.
            return self._refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "illegal_argument_exception",
                "Compressed bodies are not taken: send it without Content-Encoding",
            )
        started = time.perf_counter()
        intake = Intake(self._mapper)
        try:
            async for chunk in request.content.iter_any():
                intake.feed(chunk)
        except (aiohttp.ClientError, web.RequestPayloadError, OSError) as error:
            return self._refuse(
                HTTPStatus.BAD_REQUEST,
                "parse_exception",
                f"The body broke off, so nothing of it is stored: {error}",
            )
        intake.end()
        try:
            accepted = await self._spool.append(intake.events, intake.unreadable)
        except SpoolFullError as error:
            return self._put_off(HTTPStatus.TOO_MANY_REQUESTS, error)
        except SpoolFailedError as error:
            return self._put_off(HTTPStatus.SERVICE_UNAVAILABLE, error)
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

    def _may(self, request: web.Request) -> bool:
        if self._password is None:
            return True
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            told = base64.b64decode(given)
        except ValueError:
            return False
        # A mounted password ends in a newline, which the broker sends and we drop.
        return hmac.compare_digest(told.rstrip(b"\r\n"), self._password().encode())

    def _put_off(self, status: HTTPStatus, error: ExporterError) -> web.Response:
        return self._refuse(status, "es_rejected_execution_exception", str(error))

    def _refuse(
        self, status: int, kind: str, reason: str, **headers: str
    ) -> web.Response:
        self._watch.refused(status, reason)
        return answers.error(status, kind, reason, **headers)


def _is_compressed(request: web.Request) -> bool:
    content = request.headers.get("Content-Encoding", "").lower()
    transfer = request.headers.get("Transfer-Encoding", "").lower()
    return content not in ("", "identity") or transfer not in ("", "chunked")


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
