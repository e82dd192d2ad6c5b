"""
Tokens by OAuth2 client credentials: one at a time, and the next before it is needed.

However many requests wait for a token, one fetch serves them all. While a token can
still be used, its successor is fetched in the background.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote_plus, urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.base import codec
from exporter.base.reread import Reread
from exporter.delivery.auth.hiding import without
from exporter.delivery.failures import ERRORS, answer_to
from exporter.delivery.outcome import Answer, Failure, Outcome, outcome_of
from exporter.delivery.transport import Transport
from exporter.delivery.unpacking import unpacked

DEFAULT_SECONDS = 300.0
UNUSABLE_SECONDS = 30.0
"""So long before its end a token isn't used any more ..."""
REFRESH_SECONDS = 60.0
"""... and so long before its end another one is fetched."""
PAUSE_SECONDS = 5.0
"""After a fetch that failed in the background."""
LARGEST_ANSWER = 1024 * 1024
HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
CLIENT = ("client_id", "client_secret")
# What RFC 6749 and 8707 let a server say; anything else could repeat what we sent.
INVALID_CLIENT = "invalid_client"
REASONS = frozenset(
    {"invalid_request", INVALID_CLIENT, "invalid_grant", "unauthorized_client"}
    | {"unsupported_grant_type", "invalid_scope", "invalid_target"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """What a request is authorized with; times are those of a monotonic clock."""

    header: str = field(repr=False)
    refresh_from: float
    usable_until: float


def token_of(body: bytes, asked_at: float) -> Token:
    """Return the token in *body*, an answer to who asked then; ValueError for none."""
    said = codec.decode(body)
    if not isinstance(said, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what somebody sent
    token, kind = said.get("access_token"), said.get("token_type") or "Bearer"
    if not (isinstance(token, str) and re.fullmatch(r"[!-~]+", token)):
        raise ValueError("no access_token")
    if not (isinstance(kind, str) and re.fullmatch(r"[A-Za-z0-9_-]+", kind)):
        raise ValueError("no token_type")
    if kind.lower() == "bearer":  # servers say it in any case, not all backends read so
        kind = "Bearer"
    seconds = _lifetime(said.get("expires_in"))
    # Of a token that lives shorter than these pauses, half of its life is used.
    return Token(
        f"{kind} {token}",
        asked_at + seconds - min(REFRESH_SECONDS, seconds * 3 / 4),
        asked_at + seconds - min(UNUSABLE_SECONDS, seconds / 2),
    )


def _lifetime(said: object) -> float:
    with suppress(ValueError, OverflowError):
        seconds = float(said) if isinstance(said, int | float | str) else 0.0
        if 0 < seconds < float("inf"):
            return seconds
    return DEFAULT_SECONDS


class OAuth:
    """The tokens for one backend."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        parameters: Mapping[str, Reread[str]],
        timeout: aiohttp.ClientTimeout,
        now: Callable[[], float],
    ) -> None:
        """Ask for tokens at *url* with *parameters*; *now* is a monotonic clock."""
        self._transport = transport
        self._url = url
        self._parameters = parameters
        self._timeout = timeout
        self._now = now
        self._token: Token | None = None
        self._basic = False
        """Whether id and secret are sent in a header instead of the form."""
        self._asked_with: dict[str, str] = {}
        self._paused_until = now()
        self._fetch: asyncio.Task[Token | Answer] | None = None

    @property
    def changes(self) -> int:
        """How often a parameter was another one."""
        return sum(each.changes for each in self._parameters.values())

    @property
    def secrets(self) -> dict[str, str]:
        """Secrets that only the token endpoint gets."""
        return {"client_secret": self._parameters["client_secret"].current()}

    async def token(self) -> Token | Answer:
        """Return a token that can be used, or why there is none."""
        form, token, now = self._form(), self._token, self._now()
        if token and form == self._asked_with and now < token.usable_until:
            if now >= max(token.refresh_from, self._paused_until):
                self._fetching(form)
            return token
        return await asyncio.shield(self._fetching(form))

    def drop(self, token: Token) -> None:
        """Never return *token* again: the backend doesn't take it."""
        if self._token is token:
            self._token = None

    async def aclose(self) -> None:
        """End the fetch that may be under way."""
        if self._fetch:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _form(self) -> dict[str, str]:
        texts = {name: each.current() for name, each in self._parameters.items()}
        form = {name: text for name, text in texts.items() if text}
        return {"grant_type": "client_credentials"} | form

    def _fetching(self, form: dict[str, str]) -> asyncio.Task[Token | Answer]:
        """Return the fetch under way, or begin one."""
        if self._fetch is None or self._fetch.done():
            self._fetch = asyncio.create_task(self._renew(form), name="token")
        return self._fetch

    async def _renew(self, form: dict[str, str]) -> Token | Answer:
        fetched = await self._ask(form)
        if isinstance(fetched, Answer) and INVALID_CLIENT in fetched.detail:
            # A server accepts one of the two ways, and few servers say which.
            self._basic = not self._basic
            other = await self._ask(form)
            if isinstance(other, Answer):
                self._basic = not self._basic
            else:
                fetched = other
        if isinstance(fetched, Token):
            self._token, self._asked_with = fetched, form
        else:
            self._paused_until = self._now() + PAUSE_SECONDS
        return fetched

    async def _ask(self, form: dict[str, str]) -> Token | Answer:
        asked_at = self._now()
        headers, sent = CIMultiDict(HEADERS), form
        if self._basic:
            sent = {name: form[name] for name in form if name not in CLIENT}
            pair = ":".join(quote_plus(form[name]) for name in CLIENT)
            basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
            headers["Authorization"] = basic
            form = form | {"Authorization": basic}  # it is hidden, too
        try:
            async with self._transport.post(
                self._url,
                data=urlencode(sent).encode(),
                headers=headers,
                limits=self._timeout,
            ) as response:
                body = await _read(response)
        except ERRORS as error:
            secrets = self._transport.secrets_of(form, self._url)
            hide = partial(without, secrets)
            answer = answer_to(error, self._timeout.total, hide)
            return self._none(_whose(answer), answer.detail)
        answer = Answer(response.status, detail=_about(response.status, body))
        if outcome_of(answer) is not Outcome.DELIVERED:
            return self._none(_whose(answer), answer.detail)
        try:
            return token_of(body, asked_at)
        except ValueError:
            return self._none(Failure.TOKEN_REFUSED, "the answer holds none")

    def _none(self, failure: Failure, reason: str) -> Answer:
        return Answer(None, failure, f"no token from {URL(self._url).host}: {reason}")


def _whose(answer: Answer) -> Failure:
    """Return what kind of failure it is that a server gave *answer* and no token."""
    if answer.failure in (Failure.CERTIFICATE, Failure.PROXY):
        return answer.failure
    if outcome_of(answer) is Outcome.POSTPONED:
        return Failure.TOKEN
    return Failure.TOKEN_REFUSED


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < LARGEST_ANSWER and not response.content.at_eof():
        body += await response.content.readany()
    encoding = response.headers.get("Content-Encoding", "")
    return unpacked(bytes(body), encoding, LARGEST_ANSWER)


def _about(status: int, body: bytes) -> str:
    """Return *status*, and the server's reason where it is one of those known."""
    with suppress(ValueError):
        said = codec.decode(body)
        reason = said.get("error") if isinstance(said, dict) else None
        if isinstance(reason, str) and reason in REASONS:
            return f"{status} {reason}"
    return str(status)
