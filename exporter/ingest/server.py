"""
Serve the port that brokers send to.

The path decides what a request is. The content type doesn't: newer clients have other
types for the same body. A refused bulk request is repeated forever, and stops all
exporters of the broker. So every limit is above everything that a broker sends.
"""

import base64
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.events import Mapper
from exporter.ingest import answers
from exporter.ingest.answers import RefusedError
from exporter.ingest.bulk import Bulk
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

FORM = "application/x-www-form-urlencoded"
LONGEST_TARGET = 200


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
        self._mapper = mapper
        self._uploads = Uploads()
        self._password = password

    def app(self) -> web.Application:
        """Return the application, to be served with `OPTIONS`."""
        app = web.Application(middlewares=[self._guard])
        app.on_shutdown.append(self._uploads.stop)
        app.add_routes(answers.SETUP)
        app.add_routes([web.post("/_bulk", self._bulk), web.put("/_bulk", self._bulk)])
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        if unknown := request.match_info.http_exception:
            handler = partial(_unknown, unknown.status)
        try:
            self._check(request)
            response = await handler(request)
        except RefusedError as error:
            self._observer.refused(error.status, f"{error}")
            response = answers.refusal(error)
        except Exception:
            self._observer.answered(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise
        self._observer.answered(response.status)
        return response

    def _check(self, request: web.Request) -> None:
        """Raise `RefusedError` for a request that no exporter of a broker sends."""
        headers = request.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        # Newer exporters may send new types below application/.
        foreign = kind == FORM or (kind and not kind.startswith("application/"))
        if "Origin" in headers or (foreign and request.method not in ("GET", "HEAD")):
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "Requests of web pages are refused, and this one has the header Origin "
                "or a Content-Type of web pages: use application/x-ndjson",
            )
        if self._password and not _is_allowed(headers, self._password()):
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "The credentials are wrong or missing. In the broker's exporter, set "
                "authentication.username and authentication.password to the values of "
                "APP_INTEGRATIONS_INGEST_USERNAME and APP_INTEGRATIONS_INGEST_PASSWORD",
            )
        content = headers.get("Content-Encoding", "").lower()
        transfer = headers.get("Transfer-Encoding", "").lower()
        if content not in ("", "identity") or transfer not in ("", "chunked"):
            # No broker compresses, and a small compressed body may be huge.
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "Compressed bodies are refused: send the body without Content-Encoding",
            )

    async def _bulk(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        bulk = Bulk(self._mapper)
        with self._uploads.counting(bulk):
            await self._uploads.read(request, bulk)
            try:
                accepted = await self._spool.append(bulk.events, bulk.unreadable)
            except SpoolFullError as error:
                raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, error) from None
            except SpoolFailedError as error:
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, error) from None
            self._observer.received(
                Received(
                    records=len(bulk.answers),
                    events=len(bulk.events),
                    unreadable=bulk.unreadable,
                    accepted=accepted,
                    seconds=time.perf_counter() - started,
                )
            )
            return answers.bulk(bulk.answers)


def _is_allowed(headers: Mapping[str, str], password: str) -> bool:
    kind, _, encoded = headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded)
    except ValueError:
        return False
    # The broker also sends the newline at the end of a password in a mounted file.
    is_right = hmac.compare_digest(given.rstrip(b"\r\n"), password.encode())
    return is_right and kind.lower() == "basic"


async def _unknown(status: int, request: web.Request) -> web.Response:
    if request.method in ("GET", "HEAD"):
        # A newer broker that gets an error for a question would repeat it forever, and
        # stop all its exporters.
        return answers.json(b"{}")
    target = request.rel_url.raw_path[:LONGEST_TARGET]
    raise RefusedError(
        status,
        f"{request.method} {target} is not served here. This is the App Integrations "
        "Exporter. It accepts requests of the broker's Elasticsearch exporter: bulk "
        "requests, templates, policies and settings",
    )
