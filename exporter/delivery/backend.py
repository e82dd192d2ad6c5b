"""One configured backend: sends requests, and returns each answer as a value."""

from collections.abc import Mapping
from http import HTTPStatus

import aiohttp

from exporter.delivery.auth.credentials import Credentials
from exporter.delivery.auth.oauth import OAuth
from exporter.delivery.outcome import Answer
from exporter.delivery.request import Request
from exporter.delivery.transport import Endpoint, Transport

ANSWER_SECONDS = 0.5
"""How long the body of an answer is read; no body of a success is used."""


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
        limits = aiohttp.ClientTimeout(total=timeout_seconds)
        self._endpoint = Endpoint(url, limits, self._secrets, ANSWER_SECONDS)
        self._credentials = credentials
        self._oauth = oauth
        self._known_changes = self._changes()

    def credentials_changed(self) -> bool:
        """Whether a credential has changed since the last call."""
        known, self._known_changes = self._known_changes, self._changes()
        return self._known_changes != known

    async def post(self, request: Request) -> Answer:
        """Send *request*; an error on the way is an answer, too, and never raised."""
        if self._oauth is None:
            return await self._send(request, "")
        answer = Answer()
        for _ in range(2):  # a token may end early, so a new one is tried as well
            token = await self._oauth.token()
            if isinstance(token, Answer):
                return token
            answer = await self._send(request, token.header)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                break
            self._oauth.drop(token)
        return answer

    async def _send(self, request: Request, authorization: str) -> Answer:
        headers = self._credentials.headers(request)
        if authorization:
            headers["Authorization"] = authorization
        answer, _ = await self._transport.post(self._endpoint, request.body, headers)
        return answer

    def _secrets(self) -> Mapping[str, str]:
        oauth = self._oauth.secrets if self._oauth else {}
        return {**self._credentials.secrets, **oauth}

    def _changes(self) -> int:
        changes = self._credentials.changes + self._transport.changes
        return changes + (self._oauth.changes if self._oauth else 0)
