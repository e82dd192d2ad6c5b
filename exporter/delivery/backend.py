"""One configured backend: sends requests, and returns each answer as a value."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.delivery.answers import (
    ERRORS,
    answer_to,
    phrase,
    printable,
    read,
    retry_after,
)
from exporter.delivery.auth.credentials import Credentials
from exporter.delivery.auth.hiding import hide
from exporter.delivery.auth.oauth import OAuth
from exporter.delivery.outcome import Answer, Failure
from exporter.delivery.request import Request
from exporter.delivery.transport import Transport

LARGEST_ANSWER = 64 * 1024
ANSWER_SECONDS = 0.5
EXCERPT_LENGTH = 2048

log = logging.getLogger(__name__)


class Backend:
    """Sends requests with *credentials*, and with a token of *oauth* if it is set."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        credentials: Credentials,
        *,
        timeout_seconds: float,
        oauth: OAuth | None = None,
    ) -> None:
        self._transport = transport
        self._url = url
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._oauth = oauth
        self._known_changes = self._changes()

    def credentials_changed(self) -> bool:
        """Whether a credential has changed since the last call."""
        known, self._known_changes = self._known_changes, self._changes()
        return self._known_changes != known

    async def unready(self) -> Answer | None:
        """Return the failure to get a token, or None if requests can be sent."""
        token = await self._oauth.token() if self._oauth else None
        return token if isinstance(token, Answer) else None

    async def post(self, request: Request) -> Answer:
        """Send *request*; an error on the way is an answer, too, and never raised."""
        if self._oauth is None:
            return await self._send(request, self._credentials.headers(request))
        answer = Answer()
        for _ in range(2):  # a token may end early, so a new one is tried as well
            headers = self._credentials.headers(request)
            token = await self._oauth.token()
            if isinstance(token, Answer):
                return token
            headers["Authorization"] = token.header
            answer = await self._send(request, headers)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                break
            self._oauth.drop(token)
        return answer

    async def _send(self, request: Request, headers: CIMultiDict[str]) -> Answer:
        def hidden(text: str) -> str:
            secrets = {**headers, **self._credentials.secrets}
            secrets |= self._oauth.secrets if self._oauth else {}
            return hide(self._transport.secrets_of(secrets, self._url), text)

        try:
            return await self._send_once(request, headers, hidden)
        except ERRORS as error:
            return answer_to(error, self._timeout.total, hidden)
        except Exception as error:  # noqa: BLE001 - no peer may end the service
            log.error(  # noqa: TRY400 - a traceback would quote the answer
                "answer not understood", extra={"error": type(error).__name__}
            )
            return Answer(None, Failure.CONNECTION, "the answer can't be read")

    async def _send_once(
        self, request: Request, headers: CIMultiDict[str], hidden: Callable[[str], str]
    ) -> Answer:
        async with self._transport.post(
            self._url, data=request.body, headers=headers, limits=self._timeout
        ) as response:
            status = response.status
            if 200 <= status < 300:  # the body of a success isn't used
                if "Connection" not in response.headers:  # it can be used again
                    await read(response, LARGEST_ANSWER, ANSWER_SECONDS)
                return Answer(status, detail=phrase(status))
            body = await read(response, LARGEST_ANSWER, ANSWER_SECONDS)
            detail = phrase(status)
            if location := response.headers.get("Location"):
                # Hidden twice, because a URL may be spelled differently afterwards.
                detail += f", to {hidden(_public(hidden(location)))}"
            return Answer(
                status,
                detail=printable(detail),
                excerpt=hidden(body.decode(errors="replace"))[:EXCERPT_LENGTH],
                retry_after=retry_after(response.headers, time.time()),
            )

    def _changes(self) -> int:
        changes = self._credentials.changes + self._transport.changes
        return changes + (self._oauth.changes if self._oauth else 0)


def _public(location: str) -> str:
    """Return *location* without user, password and query, which may be secrets."""
    try:
        url = URL(location).with_query(None).with_fragment(None)
        return str(url.with_user(None) if url.absolute else url)
    except ValueError:
        return "a location that isn't a URL"
