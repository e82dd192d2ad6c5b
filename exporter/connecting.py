"""From the settings to a backend that can be posted to, for the service and `check`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time as wall_clock

from exporter.delivery import Backend, Credentials, open_transport
from exporter.settings import Settings


@asynccontextmanager
async def connecting(settings: Settings) -> AsyncIterator[Backend]:
    """Yield the backend of *settings*; its connections end with the block."""
    credentials = Credentials(
        about={
            "X-Cluster-Id": settings.cluster_id,
            "X-Org-Id": settings.organization_id,
        },
        more=settings.watched("headers"),
        api_key=settings.watched("api_key"),
        api_key_header=settings.api_key_header,
        keys=settings.watched("signing_secrets"),
        wall_clock=wall_clock,
    )
    async with open_transport(
        settings.max_batches_in_flight, settings.tls(), settings.proxies
    ) as transport:
        yield Backend(
            transport,
            settings.url,
            credentials,
            timeout_seconds=settings.request_timeout_ms / 1000,
        )


def ingest_password(settings: Settings) -> Callable[[], str] | None:
    """Return what tells the `user:password` the broker needs now, None for nobody."""
    if not settings.ingest_username:
        return None
    username = settings.watched("ingest_username")
    password = settings.watched("ingest_password")
    return lambda: f"{username.current()}:{password.current()}"
