"""One configured receiver: posts bodies, and says what came back as a value."""

import asyncio
import io
from contextlib import suppress

import aiohttp
from yarl import URL

from exporter.delivery.credentials import Credentials
from exporter.delivery.failures import ERRORS, answer_to, printable
from exporter.delivery.outcome import Answer
from exporter.delivery.request import Request
from exporter.delivery.transport import Transport

LARGEST_ANSWER = 64 * 1024
ANSWER_SECONDS = 0.5


class Backend:
    """Where batches are posted, and how."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        credentials: Credentials,
        *,
        timeout_seconds: float,
    ) -> None:
        """
        Send *credentials* with every request.

        One takes at most *timeout_seconds* as a whole, however silent the peer is.
        """
        self._transport = transport
        self._url = url
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._known = self._changes()

    def credentials_changed(self) -> bool:
        """Whether a credential is another one since this was last asked."""
        known, self._known = self._known, self._changes()
        return self._known != known

    async def post(self, request: Request) -> Answer:
        """Return what the backend made of *request*; never raises for its mistakes."""
        try:
            async with self._transport.post(
                self._url,
                data=io.BytesIO(request.body),  # bytes above 1 MiB would draw a warning
                headers=self._credentials.headers(request),
                timeout=self._timeout,
            ) as response:
                await self._finish(response)
                return Answer(response.status, detail=_about(response))
        except ERRORS as error:
            return answer_to(error, self._timeout.total)

    def _changes(self) -> int:
        return self._credentials.changes + self._transport.changes

    async def _finish(self, response: aiohttp.ClientResponse) -> None:
        """Read the rest of a short answer, so that its connection serves again."""
        size = 0
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(ANSWER_SECONDS):
                while size < LARGEST_ANSWER and not response.content.at_eof():
                    size += len(await response.content.readany())


def _about(response: aiohttp.ClientResponse) -> str:
    """Return status and reason, and where a redirect would lead."""
    about = f"{response.status} {response.reason or ''}".strip()
    if location := response.headers.get("Location"):
        about += f", to {_public(location)}"
    return printable(about)


def _public(location: str) -> str:
    """Return *location* without what may be a secret: user, password and query."""
    try:
        url = URL(location).with_query(None).with_fragment(None)
        return str(url.with_user(None) if url.absolute else url)
    except ValueError:
        return "a location that is no URL"
