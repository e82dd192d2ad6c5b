"""One configured receiver: posts bodies, and returns the answer as a value."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.delivery.auth.credentials import Credentials
from exporter.delivery.auth.hiding import without
from exporter.delivery.auth.oauth import OAuth
from exporter.delivery.failures import ERRORS, answer_to, phrase, printable
from exporter.delivery.outcome import Answer, Failure
from exporter.delivery.request import Request
from exporter.delivery.retry_after import retry_after
from exporter.delivery.transport import Transport
from exporter.delivery.unpacking import unpacked

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
        """Send *request*; what goes wrong on the way is an answer, too."""

        def hide(text: str) -> str:
            secrets = {**headers, **self._credentials.secrets}
            secrets |= self._oauth.secrets if self._oauth else {}
            return without(self._transport.secrets_of(secrets, self._url), text)

        try:
            return await self._send_once(request, headers, hide)
        except ERRORS as error:
            return answer_to(error, self._timeout.total, hide)
        except Exception as error:  # noqa: BLE001 - no peer may end the service
            log.error(  # noqa: TRY400 - a traceback would quote what came
                "answer not understood", extra={"error": type(error).__name__}
            )
            return Answer(None, Failure.CONNECTION, "an answer like no other")

    async def _send_once(
        self, request: Request, headers: CIMultiDict[str], hide: Callable[[str], str]
    ) -> Answer:
        async with self._transport.post(
            self._url, data=request.body, headers=headers, limits=self._timeout
        ) as response:
            said, status = response.headers, response.status
            if 200 <= status < 300:  # nobody reads what a success says
                if "Connection" not in said:
                    await self._finish(response)
                return Answer(status, detail=phrase(status))
            body = await self._finish(response)
            body = unpacked(body, said.get("Content-Encoding", ""), LARGEST_ANSWER)
            return Answer(
                status,
                detail=printable(_about(response, hide)),
                excerpt=hide(body.decode(errors="replace"))[:EXCERPT_LENGTH],
                retry_after=retry_after(said, time.time()),
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


def _about(response: aiohttp.ClientResponse, hide: Callable[[str], str]) -> str:
    """Return the status, and where a redirect would lead."""
    about = phrase(response.status)
    if location := response.headers.get("Location"):
        # Hidden twice: a URL may be spelled in another way before and after.
        about += f", to {hide(_public(hide(location)))}"
    return about


def _public(location: str) -> str:
    """Return *location* without what may be a secret: user, password and query."""
    try:
        url = URL(location).with_query(None).with_fragment(None)
        return str(url.with_user(None) if url.absolute else url)
    except ValueError:
        return "a location that is no URL"
