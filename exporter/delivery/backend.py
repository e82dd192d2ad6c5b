"""One configured receiver: posts bodies, and says what came back as a value."""

import asyncio
import io
import logging
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.delivery.credentials import Credentials
from exporter.delivery.failures import ERRORS, answer_to, is_hang_up, printable
from exporter.delivery.hiding import secrets_of, without
from exporter.delivery.oauth import OAuth
from exporter.delivery.outcome import Answer, Failure
from exporter.delivery.request import Request
from exporter.delivery.retry_after import retry_after
from exporter.delivery.transport import Journey, Transport

LARGEST_ANSWER = 64 * 1024
ANSWER_SECONDS = 0.5
EXCERPT_LENGTH = 2048

log = logging.getLogger(__name__)


class Backend:
    """Where batches are posted, and how."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        credentials: Credentials,
        *,
        timeout_seconds: float,
        oauth: OAuth | None = None,
    ) -> None:
        """
        Send *credentials* with every request, and a token of *oauth*.

        One takes at most *timeout_seconds* as a whole, however silent the peer is.
        """
        self._transport = transport
        self._url = url
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._oauth = oauth
        self._known = self._changes()

    def credentials_changed(self) -> bool:
        """Whether a credential is another one since this was last asked."""
        known, self._known = self._known, self._changes()
        return self._known != known

    async def unready(self) -> Answer | None:
        """Return why no request can be sent, None when one could be."""
        token = await self._oauth.token() if self._oauth else None
        return token if isinstance(token, Answer) else None

    async def post(self, request: Request) -> Answer:
        """Return what the backend made of *request*; never raises for its mistakes."""
        answer = await self._authorized(request)
        if self._oauth and answer.status == HTTPStatus.UNAUTHORIZED:
            # A token may end early. The one that was refused isn't used again.
            answer = await self._authorized(request)
        return answer

    async def _authorized(self, request: Request) -> Answer:
        """Send *request*, with a token when one is needed."""
        headers = self._credentials.headers(request)
        if self._oauth is None:
            return await self._send(request, headers)
        token = await self._oauth.token()
        if isinstance(token, Answer):
            return token
        headers["Authorization"] = token.header
        answer = await self._send(request, headers)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._oauth.drop(token)
        return answer

    async def _send(self, request: Request, headers: CIMultiDict[str]) -> Answer:
        """
        Send *request*, again if it met a connection that was just being closed.

        Any server closes what was idle for a while, and a request that crosses with
        that tells nothing about the backend.
        """
        while True:
            journey = Journey()
            try:
                answer = await self._send_once(request, headers, journey)
            except ERRORS as error:
                if journey.reused and is_hang_up(error):
                    continue
                answer = answer_to(error, self._timeout.total)
            except Exception:
                # No peer may end the service, whatever it sends.
                log.exception("answer not understood")
                answer = Answer(None, Failure.CONNECTION, "an answer like no other")
            return answer

    async def _send_once(
        self, request: Request, headers: CIMultiDict[str], journey: Journey
    ) -> Answer:
        async with self._transport.post(
            self._url,
            data=io.BytesIO(request.body),  # bytes above 1 MiB would draw a warning
            headers=headers,
            timeout=self._timeout,
            journey=journey,
        ) as response:
            body = await self._finish(response)
            if 200 <= response.status < 300:  # nobody reads what a success says
                return Answer(response.status, detail=_success(response.status))
            hide = partial(without, secrets_of(headers, self._url))
            return Answer(
                response.status,
                detail=printable(hide(_about(response))),
                excerpt=hide(body.decode(errors="replace"))[:EXCERPT_LENGTH],
                retry_after=retry_after(response.headers, time.time()),
            )

    def _changes(self) -> int:
        changes = self._credentials.changes + self._transport.changes
        return changes + (self._oauth.changes if self._oauth else 0)

    async def _finish(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a short answer, so that its connection serves again, and return it."""
        body = b""
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(ANSWER_SECONDS):
                while len(body) < LARGEST_ANSWER and not response.content.at_eof():
                    body += await response.content.readany()
        return body


def _success(status: int) -> str:
    """Return *status* in our own words: those of the answer could repeat a secret."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"


def _about(response: aiohttp.ClientResponse) -> str:
    """Return status and reason, and where a redirect would lead."""
    about = f"{response.status} {response.reason or ''}".strip()
    if location := response.headers.get("Location"):
        about += f", to {_public(location)}"
    return about


def _public(location: str) -> str:
    """Return *location* without what may be a secret: user, password and query."""
    try:
        url = URL(location).with_query(None).with_fragment(None)
        return str(url.with_user(None) if url.absolute else url)
    except ValueError:
        return "a location that is no URL"
