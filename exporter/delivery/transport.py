"""How requests travel: TLS, proxy, connections; never along a redirect."""

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exporter.delivery.names import resolver
from exporter.proxies import Proxy, proxy_for
from exporter.reread import Reread
from exporter.tls import Tls

IDLE_SECONDS = 15.0
RESOLVE_AGAIN_SECONDS = 10
PROXY_AUTHORIZATION = "Proxy-Authorization"


@dataclass(slots=True)
class Journey:
    """How one request travelled."""

    reused: bool = False
    """Whether it went along a connection that had been idle."""


class Transport:
    """Connections for a handful of requests at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tls: Reread[Tls],
        proxies: Mapping[str, str],
    ) -> None:
        """Connect as *tls* and *proxies* say, through *session*."""
        self._session = session
        self._tls = tls
        self._proxies = proxies
        self._known: dict[str, Proxy | None] = {}

    @property
    def changes(self) -> int:
        """How often there was another certificate, of ours or of an authority."""
        return self._tls.changes

    def post(
        self,
        url: str,
        *,
        data: io.BytesIO,
        headers: CIMultiDict[str],
        timeout: aiohttp.ClientTimeout,
        journey: Journey | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Return the answer to a POST, as a block; *journey* learns how it went."""
        proxy = self._proxy(url)
        to_proxy: dict[str, str] = {}
        if proxy and proxy.authorization:
            to_proxy[PROXY_AUTHORIZATION] = proxy.authorization
            if URL(url).scheme == "http":  # there the proxy reads the request itself
                headers.update(to_proxy)
        return self._session.post(
            url,
            data=data,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            ssl=self._tls.current().context,
            proxy=proxy.url if proxy else None,
            proxy_headers=to_proxy if proxy else None,
            trace_request_ctx=journey,
        )

    def _proxy(self, url: str) -> Proxy | None:
        if url not in self._known:
            self._known[url] = proxy_for(url, self._proxies)
        return self._known[url]


@asynccontextmanager
async def open_transport(
    connections: int, tls: Reread[Tls], proxies: Mapping[str, str]
) -> AsyncIterator[Transport]:
    """Yield a transport for so many *connections*, which end with the block."""
    connector = aiohttp.TCPConnector(
        limit=connections,
        keepalive_timeout=IDLE_SECONDS,
        ttl_dns_cache=RESOLVE_AGAIN_SECONDS,
        resolver=resolver(),
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # bodies of a backend's answers aren't read
        trace_configs=[_journeys()],
    ) as session:
        yield Transport(session, tls, proxies)


def _journeys() -> aiohttp.TraceConfig:
    """Return what writes down how each request travels."""

    async def reused(
        _: aiohttp.ClientSession,
        trace: SimpleNamespace,
        __: aiohttp.TraceConnectionReuseconnParams,
    ) -> None:
        if trace.trace_request_ctx:
            trace.trace_request_ctx.reused = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(reused)
    return config
