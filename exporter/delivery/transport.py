"""How requests travel: TLS, proxy and connections; redirects aren't followed."""

import io
import re
import string
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.base.reread import Reread
from exporter.delivery.auth.hiding import secrets_of
from exporter.delivery.connection import Body, Connector, StaleError
from exporter.net.proxies import proxy_for
from exporter.net.tls import Tls

AT_ONCE_SECONDS = 0.5
"""How long after its start a request on a stale connection is sent again at once."""

PROXY_AUTHORIZATION = "Proxy-Authorization"


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

    @asynccontextmanager
    async def post(
        self,
        url: str,
        *,
        data: bytes,
        headers: CIMultiDict[str],
        limits: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """
        Yield the answer to a POST.

        Servers close idle connections. A request that was sent on such a connection is
        sent again, because the failure says nothing about the server.
        """
        proxy = self._proxy_for(url)
        to_proxy: dict[str, str] = {}
        if proxy and proxy.authorization:
            to_proxy[PROXY_AUTHORIZATION] = proxy.authorization
            if URL(url).scheme == "http":  # here the proxy reads the request itself
                headers.update(to_proxy)
        response = None
        began = time.monotonic()
        while response is None:
            try:
                response = await self._session.post(
                    as_configured(url),
                    data=Body(io.BytesIO(data)),
                    headers=headers,
                    timeout=limits,
                    allow_redirects=False,
                    ssl=self._tls.current().context,
                    proxy=proxy.url if proxy else None,
                    proxy_headers=to_proxy if proxy else None,
                )
            except StaleError:
                if time.monotonic() - began > AT_ONCE_SECONDS:
                    raise  # another answer may have asked for a pause meanwhile
        async with response:
            yield response

    def secrets_of(self, values: Mapping[str, str], url: str) -> list[str]:
        """Return the secrets in *values*, in *url* and of the proxy."""
        proxy = self._proxy_for(url)
        to_proxy = {PROXY_AUTHORIZATION: proxy.authorization} if proxy else {}
        return secrets_of({**values, **to_proxy}, url)


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
        auto_decompress=False,
    ) as session:
        yield Transport(session, tls, proxies)
