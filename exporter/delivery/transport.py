"""How requests travel: TLS, proxy and connections; redirects aren't followed."""

import asyncio
import io
import logging
import re
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.base.reread import Reread
from exporter.delivery.answers import ERRORS, answer_of, answer_to
from exporter.delivery.auth.hiding import hide, secrets_of
from exporter.delivery.connection import Body, Connector, StaleError
from exporter.delivery.outcome import Answer, Failure
from exporter.net.proxies import proxy_for
from exporter.net.tls import Tls

AT_ONCE_SECONDS = 0.5
"""How long after its start a request on a stale connection is sent again at once."""
LARGEST_ANSWER = 64 * 1024
PROXY_AUTHORIZATION = "Proxy-Authorization"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests are sent, and how their answers are read."""

    url: str
    limits: aiohttp.ClientTimeout
    secrets: Callable[[], Mapping[str, str]]
    """Returns texts to hide in answers, in addition to the request's headers."""
    body_seconds: float | None = None
    """How long a body is read, as far as it arrives; None reads all of it."""


class Transport:
    """Sends requests through *session*, with the certificates of *tls*."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tls: Reread[Tls],
        proxies: Mapping[str, str],
    ) -> None:
        self._session = session
        self._tls = tls
        # Asked for each request, about one or two URLs.
        self._proxy_for = lru_cache(partial(proxy_for, variables=proxies))

    @property
    def changes(self) -> int:
        """How often a certificate of ours or of an authority changed."""
        return self._tls.changes

    async def post(
        self, endpoint: Endpoint, body: bytes, headers: CIMultiDict[str]
    ) -> tuple[Answer, bytes]:
        """Return the answer to a POST and its body; an error is an answer, too."""
        url = endpoint.url
        to_proxy: dict[str, str] = {}
        if (proxy := self._proxy_for(url)) and proxy.authorization:
            to_proxy[PROXY_AUTHORIZATION] = proxy.authorization
            if URL(url).scheme == "http":  # here the proxy reads the request itself
                headers.update(to_proxy)

        def hidden(text: str) -> str:
            secrets = {**headers, **endpoint.secrets(), **to_proxy}
            return hide(secrets_of(secrets, url), text)

        send = partial(
            self._session.post,
            as_configured(url),
            headers=headers,
            timeout=endpoint.limits,
            allow_redirects=False,
            ssl=self._tls.current().context,
            proxy=proxy.url if proxy else None,
            proxy_headers=to_proxy if proxy else None,
        )
        try:
            async with await _respond(send, body) as response:
                found = await _read(response, endpoint.body_seconds)
                status, fields = response.status, response.headers
                return answer_of(status, fields, found, hidden), found
        except ERRORS as error:
            return answer_to(error, endpoint.limits.total, hidden), b""
        except Exception as error:  # noqa: BLE001 - no peer may end the service
            log.error(  # noqa: TRY400 - a traceback would quote the answer
                "answer not understood", extra={"error": type(error).__name__}
            )
            return Answer(None, Failure.CONNECTION, "the answer can't be read"), b""


async def _respond(
    send: Callable[..., Awaitable[aiohttp.ClientResponse]], body: bytes
) -> aiohttp.ClientResponse:
    """
    Send *body* and return the response.

    Servers close idle connections. A request that was sent on such a connection is
    sent again, because the failure says nothing about the server.
    """
    began = time.monotonic()
    while True:
        try:
            return await send(data=Body(io.BytesIO(body)))
        except StaleError:
            if time.monotonic() - began > AT_ONCE_SECONDS:
                raise  # another answer may have asked for a pause meanwhile


async def _read(response: aiohttp.ClientResponse, seconds: float | None) -> bytes:
    """Return the body of *response*; with *seconds* errors are ignored."""
    body = b""
    succeeded = 200 <= response.status <= 299
    if seconds and succeeded and "Connection" in response.headers:
        return body  # neither the body nor the connection is used again
    with suppress(*ERRORS if seconds else ()):
        async with asyncio.timeout(seconds):
            while len(body) < LARGEST_ANSWER and not response.content.at_eof():
                body += await response.content.readany()
    return body


@lru_cache(maxsize=64)
def as_configured(url: str) -> URL:
    """Return *url* in ASCII, with its path and query byte for byte."""
    target = re.sub(r"[^:]*://[^/?#]*|#.*", "", url)
    quoted = quote(target, safe=string.punctuation)
    return URL(f"{URL(url).origin()}{quoted}", encoded=True)


@asynccontextmanager
async def open_transport(
    connections: int, tls: Reread[Tls], proxies: Mapping[str, str]
) -> AsyncIterator[Transport]:
    """Yield a transport with at most *connections*, which close after the block."""
    async with aiohttp.ClientSession(
        connector=Connector(connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The body of a refusal must be readable, so no compression is offered.
        skip_auto_headers=["Accept-Encoding"],
    ) as session:
        yield Transport(session, tls, proxies)
