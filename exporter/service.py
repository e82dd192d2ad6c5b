"""
The whole exporter, in the only place that knows the order.

Nesting is the order: what opens first closes last, so ingest ends before delivery
drains, and the spool outlives both.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter import __version__
from exporter.connecting import connecting, ingest_password
from exporter.delivery import Backend, Delivery, Plan, limits_of, outcomes_of
from exporter.errors import ExporterError
from exporter.ingest import OPTIONS, Ingest
from exporter.listening import listening
from exporter.operations import dead_letters, guard
from exporter.operations.admin import Admin
from exporter.operations.metrics import Metrics
from exporter.operations.observer import Observer
from exporter.operations.view import View
from exporter.settings import Settings
from exporter.spool import Outbox, Spool, open_spool
from exporter.stopping import asked_to_stop

log = logging.getLogger(__name__)

# Rows carry the name of their backend; this one is configured without a name.
BACKEND = "default"

ADMIN = ("APP_INTEGRATIONS_ADMIN_HOST", "APP_INTEGRATIONS_ADMIN_PORT")
INGEST = ("APP_INTEGRATIONS_INGEST_HOST", "APP_INTEGRATIONS_INGEST_PORT")


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then deliver what waits, within limits."""
    stopping = asked_to_stop()
    metrics = Metrics()
    observer = Observer(metrics)
    async with connecting(settings) as backend:
        with open_spool(
            settings.spool_dir,
            backend=BACKEND,
            limit=settings.spool_max_bytes,
            lost=observer.lost if settings.spool_when_full == "drop-oldest" else None,
            damaged=stopping.set,
        ) as spool:
            delivery = _delivery(settings, backend, spool.outbox, observer)
            view = metrics.watch(spool, delivery)
            if spool.salvaged:
                observer.salvaged(spool.salvaged)
            admin = _admin(settings, spool, metrics, view)
            ingest = Ingest(spool, observer, ingest_password(settings))
            async with (
                listening(
                    admin.app(),
                    settings.admin_host,
                    settings.admin_port,
                    names=ADMIN,
                ) as admin_port,
                delivering(delivery, settings.shutdown_timeout_ms / 1000),
                listening(
                    ingest.app(),
                    settings.ingest_host,
                    settings.ingest_port,
                    names=INGEST,
                    **OPTIONS,
                ) as ingest_port,
            ):
                log.info(
                    "ready",
                    extra={
                        "version": __version__,
                        "ingest": f"{settings.ingest_host}:{ingest_port}",
                        "admin": f"{settings.admin_host}:{admin_port}",
                        "waiting_events": spool.waiting.rows,
                        "dead_letters": spool.dead.rows,
                    },
                )
                await _accepting(admin, spool, stopping)
            log.info("stopped", extra={"waiting_events": spool.waiting.rows})


def _delivery(
    settings: Settings,
    backend: Backend,
    outbox: Outbox,
    observer: Observer,
) -> Delivery:
    """Return the delivery from *outbox* as *settings* say, not yet running."""
    plan = Plan(
        slots=settings.max_batches_in_flight,
        limits=limits_of(
            events=settings.batch_size,
            body_bytes=settings.batch_max_bytes,
            cluster_id=settings.cluster_id,
            linger_seconds=settings.batch_interval_ms / 1000,
        ),
        cluster_id=settings.cluster_id,
        outcomes=outcomes_of(settings.status_outcomes),
        retry_after_seconds=settings.retry_after_max_ms / 1000,
        max_age_seconds=settings.max_event_age_ms / 1000,
    )
    return Delivery(outbox, backend, observer, plan)


@asynccontextmanager
async def delivering(delivery: Delivery, drain_seconds: float) -> AsyncIterator[None]:
    """Deliver during the block and drain behind it; a slot that fails ends both."""
    problem: ExporterError | None = None
    async with asyncio.TaskGroup() as tasks:
        slots = tasks.create_task(delivery.run(), name="delivery")
        try:
            yield
        except ExporterError as error:
            problem = error  # the block's own: the group would wrap it
        else:
            await delivery.drain(drain_seconds)
        slots.cancel()
    if problem:
        raise problem


def _admin(settings: Settings, spool: Spool, metrics: Metrics, view: View) -> Admin:
    """Return the admin port's answers, with a new token for those who may ask more."""
    office = dead_letters.Office(spool, settings.cluster_id)
    return Admin(
        spool,
        metrics,
        view,
        token=guard.issue(settings.spool_dir),
        routes=dead_letters.routes(office),
    )


async def _accepting(admin: Admin, spool: Spool, stopping: asyncio.Event) -> None:
    """Let the broker in until it's time to stop; raise when the spool is damaged."""
    admin.accepting = True
    await stopping.wait()
    admin.accepting = False
    log.info("stopping", extra={"waiting_events": spool.waiting.rows})
    if spool.damage:
        raise spool.damage  # without a drain: nothing could be settled
