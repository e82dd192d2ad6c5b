"""
The whole exporter, in the only place that knows the order.

Nesting is the order: what opens first closes last, so ingest ends before delivery
drains, and the spool outlives both.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager

from exporter import __version__
from exporter.admin import backends, dead_letters, guard
from exporter.admin.admin import ADMIN, Admin
from exporter.base.errors import ExporterError
from exporter.base.stopping import asked_to_stop
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
from exporter.watch.delivery_observer import DeliveryObserver
from exporter.watch.metrics import Metrics
from exporter.watch.observer import Observer
from exporter.watch.view import View
from exporter.watch.withheld import Withheld

log = logging.getLogger(__name__)

INGEST = ("APP_INTEGRATIONS_INGEST_HOST", "APP_INTEGRATIONS_INGEST_PORT")


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then deliver what waits, within limits."""
    stopping = asked_to_stop()
    metrics = Metrics(settings.backends)
    observer = Observer(metrics)
    observers = {
        name: DeliveryObserver(metrics.of[name], name, each.variable)
        for name, each in settings.backends.items()
    }
    async with AsyncExitStack() as connected:
        connections = {
            name: await connected.enter_async_context(
                connecting(each, settings.cluster_id)
            )
            for name, each in settings.backends.items()
        }
        with _opening(settings, observers, stopping) as spool:
            deliveries = {
                name: Delivery(
                    spool.outboxes[name],
                    connections[name],
                    observers[name],
                    _plan(each, settings.cluster_id),
                )
                for name, each in settings.backends.items()
            }
            _tell(spool, observer)
            view = metrics.watch(spool, deliveries)
            admin = _admin(settings, spool, metrics, view)
            mapper = _mapper(settings, metrics.withheld, observer)
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
                _ready(
                    spool,
                    ingest=f"{host}:{ingest_port}",
                    admin=f"{settings.admin_host}:{admin_port}",
                )
                await _accepting(admin, spool, stopping)
            log.info("stopped", extra={"waiting_events": spool.waiting.rows})


def _opening(
    settings: Settings,
    observers: Mapping[str, DeliveryObserver],
    stopping: asyncio.Event,
) -> AbstractContextManager[Spool]:
    """Return the spool of *settings*; damage is a reason to stop."""

    def lost(batch: Batch) -> None:
        (backend,) = batch.events[0].backends
        observers[backend].lost(batch)

    return open_spool(
        settings.spool_dir,
        backends=tuple(settings.backends),
        limit=settings.spool_max_bytes,
        on_discard=lost if settings.spool_when_full == "drop-oldest" else None,
        on_damage=stopping.set,
    )


def _plan(settings: BackendSettings, cluster_id: str) -> Plan:
    """Return how the backend of *settings* is to be served."""
    return Plan(
        slots=settings.max_batches_in_flight,
        limits=limits_of(
            events=settings.batch_size,
            body_bytes=settings.batch_max_bytes,
            cluster_id=cluster_id,
            linger_seconds=settings.batch_interval_ms / 1000,
            written=settings.written,
        ),
        cluster_id=cluster_id,
        written=settings.written,
        outcomes=outcomes_of(settings.status_outcomes),
        retry_after_seconds=settings.retry_after_max_ms / 1000,
        max_age_seconds=settings.max_event_age_ms / 1000,
        too_old=f"older than {settings.variable('max_event_age_ms')}",
    )


def _mapper(settings: Settings, withheld: Withheld, observer: Observer) -> Mapper:
    """Return what makes events of records, for all backends of *settings*."""
    selections = {name: each.selection for name, each in settings.backends.items()}
    withheld.watch(
        selections.values(),
        observer.withheld,
        exporter_id=exporter_id(),
        may_withhold=withholds,
    )
    return Mapper(selections, settings.dropped, withheld)


def _tell(spool: Spool, observer: Observer) -> None:
    """Say what became of a damaged file, and what nobody will deliver."""
    if spool.salvaged:
        observer.salvaged(spool.salvaged)
    for backend, held in spool.left_behind.items():
        observer.left_behind(backend, held, spool.dead_of(backend))


def _ready(spool: Spool, **ports: str) -> None:
    """Log the addresses, and a warning if records cross the network unencrypted."""
    if not is_loopback(ports["ingest"].rpartition(":")[0]):
        log.warning(
            "the ingest port has no TLS: records and its password cross the network "
            "unencrypted",
            extra={
                "ingest": ports["ingest"],
                "remedy": "Let only brokers reach it (NetworkPolicy), or put a service "
                "mesh or a proxy with TLS in front: docs/security.md",
            },
        )
    about = {"waiting_events": spool.waiting.rows, "dead_letters": spool.dead.rows}
    log.info("ready", extra={"version": __version__, **ports, **about})


@asynccontextmanager
async def delivering(
    deliveries: Collection[Delivery], drain_seconds: float
) -> AsyncIterator[None]:
    """Deliver during the block and drain behind it; a slot that fails ends both."""
    problem: ExporterError | None = None
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in deliveries]
        try:
            yield
        except ExporterError as error:
            problem = error  # the block's own: the group would wrap it
        else:
            await asyncio.gather(*(each.drain(drain_seconds) for each in deliveries))
        for each in running:
            each.cancel()
    if problem:
        raise problem


def _admin(settings: Settings, spool: Spool, metrics: Metrics, view: View) -> Admin:
    """Return the admin port's answers, with a new token for those who may ask more."""
    return Admin(
        spool,
        metrics,
        view,
        token=guard.issue(settings.spool_dir),
        routes=[
            *dead_letters.routes(spool, settings.cluster_id),
            *backends.routes(spool),
        ],
    )


async def _accepting(admin: Admin, spool: Spool, stopping: asyncio.Event) -> None:
    """Let the broker in until it's time to stop; raise when the spool is damaged."""
    admin.accepting = True
    await stopping.wait()
    admin.accepting = False
    log.info("stopping", extra={"waiting_events": spool.waiting.rows})
    if spool.damage:
        raise spool.damage  # without a drain: nothing could be settled
