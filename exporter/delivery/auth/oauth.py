"""
Tokens by OAuth2 client credentials.

One fetch serves all requests that wait for a token. The next token is fetched in the
background while the current one can still be used.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.base import codec
from exporter.base.reread import Reread
from exporter.delivery.outcome import Answer, Failure, Outcome, outcome_of
from exporter.delivery.transport import Endpoint, Transport

DEFAULT_SECONDS = 300.0
UNUSABLE_SECONDS = 30.0
"""How long before its end a token isn't used any more."""
REFRESH_SECONDS = 60.0
"""How long before its end the next token is fetched."""
PAUSE_SECONDS = 5.0
"""How long after a failed fetch in the background the next one begins."""
HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
}
CLIENT = ("client_id", "client_secret")
HEADER = re.compile("[A-Za-z0-9_-]+ [!-~]+")
INVALID_CLIENT = "invalid_client"
# The error codes of RFC 6749 and 8707. Other texts could repeat what we sent.
REASONS = (
    *("invalid_request", INVALID_CLIENT, "invalid_grant", "unauthorized_client"),
    *("unsupported_grant_type", "invalid_scope", "invalid_target"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """The value of the header Authorization; times are of a monotonic clock."""

    header: str = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    """The form that the token was requested with."""
    refresh_from: float
    usable_until: float


def token_of(
    content: Mapping[str, Any], form: Mapping[str, str], asked_at: float
) -> Token | None:
    """Return the token in *content*, the answer to *form* that was sent *asked_at*."""
    token, kind = content.get("access_token"), content.get("token_type") or "Bearer"
    # Some backends accept only this spelling of the usual type.
    header = re.sub("^bearer ", "Bearer ", f"{kind} {token}", flags=re.IGNORECASE)
    if not isinstance(token, str) or not HEADER.fullmatch(header):
        return None
    seconds = _lifetime(content.get("expires_in"))
    # A token that lives shorter than these limits is used for half of its life.
    refresh_from = asked_at + seconds - min(REFRESH_SECONDS, seconds * 3 / 4)
    usable_until = asked_at + seconds - min(UNUSABLE_SECONDS, seconds / 2)
    return Token(header, form, refresh_from, usable_until)


def _lifetime(value: object) -> float:
    with suppress(ValueError, OverflowError):
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
        if 0 < seconds < float("inf"):
            return seconds
    return DEFAULT_SECONDS


class OAuth:
    """The tokens for one backend, from the endpoint *url*; *now* is monotonic."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        parameters: Mapping[str, Reread[str]],
        timeout: aiohttp.ClientTimeout,
        now: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._url = url
        self._parameters = parameters
        self._timeout = timeout
        self._now = now
        self._token: Token | None = None
        self._basic = False
        """Whether id and secret are sent in a header instead of the form."""
        self._paused_until = now()
        self._fetch: asyncio.Task[Token | Answer] | None = None

    @property
    def changes(self) -> int:
        """How often a parameter changed."""
        return sum(each.changes for each in self._parameters.values())

    @property
    def secrets(self) -> dict[str, str]:
        """Secrets that are sent only to the token endpoint."""
        return {"client_secret": self._parameters["client_secret"].current()}

    async def token(self) -> Token | Answer:
        """Return a token that can be used, or the failure to get one."""
        form, token, now = self._form(), self._token, self._now()
        if token and form == token.form and now < token.usable_until:
            if now >= max(token.refresh_from, self._paused_until):
                self._fetching(form)
            return token
        return await asyncio.shield(self._fetching(form))

    def drop(self, token: Token) -> None:
        """Don't use *token* again, because the backend refused it."""
        if self._token is token:
            self._token = None

    async def aclose(self) -> None:
        """Cancel a fetch in progress."""
        if self._fetch:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _form(self) -> dict[str, str]:
        texts = {name: each.current() for name, each in self._parameters.items()}
        form = {name: text for name, text in texts.items() if text}
        return {"grant_type": "client_credentials"} | form

    def _fetching(self, form: dict[str, str]) -> asyncio.Task[Token | Answer]:
        """Return the fetch in progress, or start one."""
        if self._fetch is None or self._fetch.done():
            self._fetch = asyncio.create_task(self._renew(form), name="token")
        return self._fetch

    async def _renew(self, form: dict[str, str]) -> Token | Answer:
        fetched = await self._request(form, basic=self._basic)
        if isinstance(fetched, Answer) and INVALID_CLIENT in fetched.detail:
            # A server accepts one of the two ways, and few servers say which.
            other = await self._request(form, basic=not self._basic)
            if isinstance(other, Token):
                fetched, self._basic = other, not self._basic
        if isinstance(fetched, Token):
            self._token = fetched
        else:
            self._paused_until = self._now() + PAUSE_SECONDS
        return fetched

    async def _request(self, form: dict[str, str], *, basic: bool) -> Token | Answer:
        asked_at = self._now()
        headers, sent = CIMultiDict(HEADERS), form
        if basic:
            sent = {name: form[name] for name in form if name not in CLIENT}
            client = [quote_plus(form[name]) for name in CLIENT]
            pair = base64.b64encode(":".join(client).encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        endpoint = Endpoint(self._url, self._timeout, secrets=lambda: form)
        encoded = urlencode(sent).encode()
        answer, body = await self._transport.post(endpoint, encoded, headers)
        content = _content_of(body)
        if outcome_of(answer) is Outcome.DELIVERED:
            return token_of(content, form, asked_at) or self._failed(
                Failure.TOKEN_REFUSED, "the answer has no token"
            )
        reason = f"{answer.status}" if answer.status else answer.detail
        if (code := content.get("error")) in REASONS:
            reason = f"{answer.status} {code}"
        return self._failed(_failure_of(answer), reason)

    def _failed(self, failure: Failure, reason: str) -> Answer:
        return Answer(None, failure, f"no token from {URL(self._url).host}: {reason}")


def _failure_of(answer: Answer) -> Failure:
    """Return the kind of failure when the token endpoint gave *answer*."""
    if answer.failure in (Failure.CERTIFICATE, Failure.PROXY):
        return answer.failure
    if outcome_of(answer) is Outcome.POSTPONED:
        return Failure.TOKEN
    return Failure.TOKEN_REFUSED


def _content_of(body: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        content = codec.decode(body)
        if isinstance(content, dict):
            return content
    return {}
