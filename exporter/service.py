"""
The whole service: the only module that knows the order of its parts.

The nesting is the order. A part that opens first closes last, so ingest ends before
delivery drains, and the spool closes after both.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager

from exporter import __version__
from exporter.admin import backends, dead_letters, guard
from exporter.admin.admin import ADMIN, Admin
from exporter.base.errors import ExporterError
from exporter.base.process import asked_to_stop
from exporter.broker.environment import withholds
from exporter.broker.takeover import exporter_id
from exporter.config.backend import BackendSettings
from exporter.config.settings import Settings
from exporter.connect import connecting, ingest_password
from exporter.delivery import Delivery, Plan, limits_of, outcomes_of
from exporter.events import Mapper
from exporter.ingest import OPTIONS, Ingest
from exporter.net.hosts import is_loopback
from exporter.net.listening import listening
from exporter.spool import Batch, Spool, open_spool
from exporter.watch.service import ServiceObserver
from exporter.watch.status import Status
from exporter.watch.withheld import Withheld

log = logging.getLogger(__name__)

INGEST = ("APP_INTEGRATIONS_INGEST_HOST", "APP_INTEGRATIONS_INGEST_PORT")


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then deliver waiting events for a limited time."""
    stopping = asked_to_stop()
    observer = ServiceObserver(
        {name: each.variable for name, each in settings.backends.items()}
    )
    async with AsyncExitStack() as connected:
        connections = {
            name: await connected.enter_async_context(
                connecting(each, settings.cluster_id)
            )
            for name, each in settings.backends.items()
        }
        with _opening(settings, observer, stopping) as spool:
            deliveries = {
                name: Delivery(
                    spool.outboxes[name],
                    connections[name],
                    observer.backends[name],
                    _plan(each, settings.cluster_id),
                )
                for name, each in settings.backends.items()
            }
            _report_spool(spool, observer)
            withheld = _withheld(settings)
            status = Status(spool, deliveries, observer, withheld)
            admin = _admin(settings, spool, status)
            selections = {
                name: each.selection for name, each in settings.backends.items()
            }
            mapper = Mapper(selections, settings.dropped, withheld)
            ingest = Ingest(spool, observer, mapper, ingest_password(settings))
            host, port = settings.ingest_host, settings.ingest_port
            async with (
                listening(
                    admin.app(), settings.admin_host, settings.admin_port, names=ADMIN
                ) as admin_port,
                delivering(deliveries.values(), settings.shutdown_timeout_ms / 1000),
                listening(
                    ingest.app(), host, port, names=INGEST, **OPTIONS
                ) as ingest_port,
            ):
                _log_ready(
                    spool,
                    ingest=f"{host}:{ingest_port}",
                    admin=f"{settings.admin_host}:{admin_port}",
                )
                await _accepting(admin, spool, stopping)
            log.info("stopped", extra={"waiting_events": spool.waiting.rows})


def _opening(
    settings: Settings, observer: ServiceObserver, stopping: asyncio.Event
) -> AbstractContextManager[Spool]:
    """Return the spool of *settings*; damage stops the service."""

    def lost(batch: Batch) -> None:
        (backend,) = batch.events[0].backends
        observer.backends[backend].lost(batch)

    return open_spool(
        settings.spool_dir,
        backends=tuple(settings.backends),
        limit=settings.spool_max_bytes,
        on_discard=lost if settings.spool_when_full == "drop-oldest" else None,
        on_damage=stopping.set,
    )


def _plan(settings: BackendSettings, cluster_id: str) -> Plan:
    return Plan(
        slots=settings.max_batches_in_flight,
        limits=limits_of(
            events=settings.batch_size,
            body_bytes=settings.batch_max_bytes,
            cluster_id=cluster_id,
            linger_seconds=settings.batch_interval_ms / 1000,
            body_format=settings.body_format,
        ),
        cluster_id=cluster_id,
        body_format=settings.body_format,
        outcomes=outcomes_of(settings.status_outcomes),
        retry_after_seconds=settings.retry_after_max_ms / 1000,
        max_age_seconds=settings.max_event_age_ms / 1000,
        too_old=f"older than {settings.variable('max_event_age_ms')}",
    )


def _withheld(settings: Settings) -> Withheld:
    """Return the observer that detects a broker which doesn't send every event."""
    return Withheld(
        (each.selection for each in settings.backends.values()),
        exporter_id=exporter_id(),
        may_withhold=withholds,
    )


def _admin(settings: Settings, spool: Spool, status: Status) -> Admin:
    token = guard.issue(settings.spool_dir)
    letters = dead_letters.routes(spool, settings.cluster_id)
    routes = [*letters, *backends.routes(spool)]
    return Admin(spool, status, token=token, routes=routes)


def _report_spool(spool: Spool, observer: ServiceObserver) -> None:
    """Report a salvaged spool, and events that no configured backend gets."""
    if spool.salvaged:
        observer.salvaged(spool.salvaged)
    for backend, held in spool.left_behind.items():
        observer.left_behind(backend, held, spool.dead_of(backend))


def _log_ready(spool: Spool, **ports: str) -> None:
    """Log the addresses, and a warning if records cross the network unencrypted."""
    if not is_loopback(ports["ingest"].rpartition(":")[0]):
        log.warning(
            "the ingest port has no TLS: records and its password cross the network "
            "unencrypted",
            extra={
                "ingest": ports["ingest"],
                "remedy": "Allow only brokers to reach it (NetworkPolicy), or put a "
                "service mesh or a proxy with TLS in front: docs/security.md",
            },
        )
    counts = {"waiting_events": spool.waiting.rows, "dead_letters": spool.dead.rows}
    log.info("ready", extra={"version": __version__, **ports, **counts})


@asynccontextmanager
async def delivering(
    deliveries: Collection[Delivery], drain_seconds: float
) -> AsyncIterator[None]:
    """Deliver during the block and drain after it; an error of a slot ends both."""
    problem: ExporterError | None = None
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in deliveries]
        try:
            yield
        except ExporterError as error:
            problem = error  # kept, because the task group would wrap it
        else:
            await asyncio.gather(*(each.drain(drain_seconds) for each in deliveries))
        for each in running:
            each.cancel()
    if problem:
        raise problem


async def _accepting(admin: Admin, spool: Spool, stopping: asyncio.Event) -> None:
    """Accept requests of the broker until *stopping*; raise if the spool is damaged."""
    admin.accepting = True
    await stopping.wait()
    admin.accepting = False
    log.info("stopping", extra={"waiting_events": spool.waiting.rows})
    if spool.damage:
        raise spool.damage  # without a drain, because nothing could be settled
