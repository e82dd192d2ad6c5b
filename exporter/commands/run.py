"""`run`: the service itself."""

import argparse
import asyncio
import gc
import logging
from collections.abc import Callable

from exporter import connect, logs, service
from exporter.admin import standby
from exporter.base import process
from exporter.broker.wanted import why_off
from exporter.commands.arguments import Subparsers, add_command
from exporter.config import settings, variables
from exporter.config.settings import Settings

log = logging.getLogger("app-integrations-exporter")


def add_to(commands: Subparsers) -> None:
    """Add `run` to *commands*."""
    add_command(commands, "run", run, json=False).add_argument(
        "--standby",
        action="store_true",
        help="while the exporter is switched off or no backend is configured, only "
        "answer probes: for a container that always runs",
    )


def run(args: argparse.Namespace) -> int:
    """Receive records and deliver events until SIGTERM or SIGINT."""
    process.unblock_stderr()
    if args.standby and (reason := why_off()):
        asyncio.run(standby.stand_by(reason))
        return 0
    loaded = settings.load()
    logs.configure(loaded.log_level, loaded.log_format)
    _warn(loaded)
    # Events hold no cycles, and there are many of them: collect garbage less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    process.open_more_files()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(service.serve(loaded))
    return 0


def _warn(loaded: Settings) -> None:
    """Log what is unwise about the settings."""
    for unknown in variables.unknown():
        log.warning("setting unknown", extra={"detail": unknown})
    for variable, why in variables.ignored().items():
        log.info("setting ignored", extra={"setting": variable, "reason": why})
    if shared := variables.shared():
        log.warning("the connector's settings are here, too", extra={"detail": shared})
    if connect.is_nameless(loaded):
        log.warning(connect.NAMELESS, extra={"remedy": connect.NAMELESS_REMEDY})
    for backend in loaded.backends.values():
        for exposed in connect.exposed(backend):
            log.warning(
                "credential crosses the network unencrypted",
                extra={"detail": exposed.credential, "remedy": exposed.remedy},
            )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of uvloop, or None on a platform without uvloop."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
