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
# The error codes of RFC 6749 and 8707. Other texts could repeat what we sent.
INVALID_CLIENT = "invalid_client"
REASONS = frozenset(
    {"invalid_request", INVALID_CLIENT, "invalid_grant", "unauthorized_client"}
    | {"unsupported_grant_type", "invalid_scope", "invalid_target"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """The value of the header Authorization; times are of a monotonic clock."""

    header: str = field(repr=False)
    refresh_from: float
    usable_until: float


def token_of(body: bytes, asked_at: float) -> Token:
    """Return the token in *body*, an answer to a request of *asked_at*."""
    answer = codec.decode(body)
    if not isinstance(answer, dict):
        raise ValueError("no object")  # noqa: TRY004 - the content is wrong, not a type
    token, kind = answer.get("access_token"), answer.get("token_type") or "Bearer"
    if not (isinstance(token, str) and re.fullmatch(r"[!-~]+", token)):
        raise ValueError("no access_token")
    if not (isinstance(kind, str) and re.fullmatch(r"[A-Za-z0-9_-]+", kind)):
        raise ValueError("no token_type")
    if kind.lower() == "bearer":  # some backends accept only this spelling
        kind = "Bearer"
    seconds = _lifetime(answer.get("expires_in"))
    # A token that lives shorter than these limits is used for half of its life.
    return Token(
        f"{kind} {token}",
        asked_at + seconds - min(REFRESH_SECONDS, seconds * 3 / 4),
        asked_at + seconds - min(UNUSABLE_SECONDS, seconds / 2),
    )


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
        self._token_form: dict[str, str] = {}
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
        if token and form == self._token_form and now < token.usable_until:
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
        fetched = await self._request(form)
        if isinstance(fetched, Answer) and INVALID_CLIENT in fetched.detail:
            # A server accepts one of the two ways, and few servers say which.
            self._basic = not self._basic
            other = await self._request(form)
            if isinstance(other, Answer):
                self._basic = not self._basic
            else:
                fetched = other
        if isinstance(fetched, Token):
            self._token, self._token_form = fetched, form
        else:
            self._paused_until = self._now() + PAUSE_SECONDS
        return fetched

    async def _request(self, form: dict[str, str]) -> Token | Answer:
        asked_at = self._now()
        headers, sent = CIMultiDict(HEADERS), form
        if self._basic:
            sent = {name: form[name] for name in form if name not in CLIENT}
            pair = ":".join(quote_plus(form[name]) for name in CLIENT)
            basic = base64.b64encode(pair.encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
        endpoint = Endpoint(self._url, self._timeout, secrets=lambda: form)
        encoded = urlencode(sent).encode()
        answer, body = await self._transport.post(endpoint, encoded, headers)
        if outcome_of(answer) is not Outcome.DELIVERED:
            return self._failed(_failure_of(answer), _reason_of(answer, body))
        try:
            return token_of(body, asked_at)
        except ValueError:
            return self._failed(Failure.TOKEN_REFUSED, "the answer has no token")

    def _failed(self, failure: Failure, reason: str) -> Answer:
        return Answer(None, failure, f"no token from {URL(self._url).host}: {reason}")


def _failure_of(answer: Answer) -> Failure:
    """Return the kind of failure when the token endpoint gave *answer*."""
    if answer.failure in (Failure.CERTIFICATE, Failure.PROXY):
        return answer.failure
    if outcome_of(answer) is Outcome.POSTPONED:
        return Failure.TOKEN
    return Failure.TOKEN_REFUSED


def _reason_of(answer: Answer, body: bytes) -> str:
    """Return why there is no token, with the error code in *body* if it is known."""
    if answer.status is None:
        return answer.detail
    with suppress(ValueError):
        content = codec.decode(body)
        code = content.get("error") if isinstance(content, dict) else None
        if isinstance(code, str) and code in REASONS:
            return f"{answer.status} {code}"
    return f"{answer.status}"
