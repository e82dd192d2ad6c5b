"""Connect to a backend as its settings say, for the service and `check`."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic as clock
from time import time as wall_clock
from typing import NamedTuple

import aiohttp
from yarl import URL

from exporter.config.backend import BackendSettings
from exporter.config.settings import Settings
from exporter.delivery import Backend, Credentials, OAuth, Transport, open_transport
from exporter.net.hosts import is_loopback

NAMELESS = "OAuth is used without a cluster id, which Camunda's own backend refuses"
NAMELESS_REMEDY = "Set APP_INTEGRATIONS_CLUSTER_ID to the UUID of the cluster"


@asynccontextmanager
async def connecting(
    settings: BackendSettings, cluster_id: str
) -> AsyncIterator[Backend]:
    """Yield the backend of *settings*; its connections close after the block."""
    credentials = Credentials(
        constant={
            "X-Cluster-Id": cluster_id or settings.broker_cluster_id,
            "X-Org-Id": settings.organization_id,
        },
        extra=settings.watched("headers"),
        api_key=settings.watched("api_key"),
        api_key_header=settings.api_key_header,
        signing_keys=settings.watched("signing_secrets"),
        wall_clock=wall_clock,
    )
    async with (
        open_transport(
            settings.max_batches_in_flight + 1,  # one for tokens
            settings.tls(),
            settings.proxies,
        ) as transport,
        AsyncExitStack() as closing,
    ):
        oauth = _oauth(settings, transport) if settings.oauth_client_id else None
        if oauth:
            closing.push_async_callback(oauth.aclose)
        yield Backend(
            transport,
            settings.url,
            credentials,
            timeout_seconds=settings.request_timeout_ms / 1000,
            oauth=oauth,
        )


def _oauth(settings: BackendSettings, transport: Transport) -> OAuth:
    names = ("client_id", "client_secret", "audience", "scope", "resource")
    connect = settings.oauth_connect_timeout_ms / 1000
    read = settings.oauth_read_timeout_ms / 1000
    return OAuth(
        transport,
        settings.oauth_authorization_server_url,
        {name: settings.watched(f"oauth_{name}") for name in names},
        aiohttp.ClientTimeout(total=connect + read, connect=connect, sock_read=read),
        clock,
    )


def ingest_password(settings: Settings) -> Callable[[], str] | None:
    """Return a function for the broker's current `user:password`, None without one."""
    if not settings.ingest_username:
        return None
    username = settings.watched("ingest_username")
    password = settings.watched("ingest_password")
    return lambda: f"{username.current()}:{password.current()}"


def is_nameless(settings: Settings) -> bool:
    """Whether OAuth is used without a cluster id."""
    return not settings.cluster_id and any(
        each.oauth_client_id and not each.broker_cluster_id
        for each in settings.backends.values()
    )


class Exposed(NamedTuple):
    """A credential that others on the network can read, and the URL that sends it."""

    credential: str
    setting: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return f"Use an https:// address in {self.setting}"


def exposed(settings: BackendSettings) -> Iterator[Exposed]:
    """Yield each credential that leaves this machine over plain HTTP."""
    if _is_open(settings.url):
        for value, credential in (
            (settings.api_key, "The API key"),
            (settings.headers, f"The content of {settings.variable('headers')}"),
            (settings.oauth_client_id, "The token"),
        ):
            if value:
                yield Exposed(credential, settings.variable("url"))
    if _is_open(settings.oauth_authorization_server_url):
        setting = settings.variable("oauth_authorization_server_url")
        yield Exposed("The client secret", setting)


def _is_open(text: str) -> bool:
    url = URL(text)
    return url.scheme == "http" and not is_loopback(url.host or "")
