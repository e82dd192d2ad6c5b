"""Serve HTTP for as long as a block lasts."""

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from aiohttp import web
from yarl import URL

from exporter.errors import ExporterError

FINISH_SECONDS = 5.0

REMEDIES = {
    errno.EADDRINUSE: "Stop what uses it (perhaps another exporter), or set {port}",
    errno.EACCES: "Set {port} to one above 1023",
}
ELSE = "Correct {host}: it must be an address of this machine"


class PortError(ExporterError):
    """An address can't be listened on."""

    def __init__(
        self, host: str, port: int, names: tuple[str, str], reason: OSError
    ) -> None:
        """Give the address, the *names* of where it comes from, and the *reason*."""
        known = reason.errno in errno.errorcode  # else it comes from the name service
        said = os.strerror(reason.errno or 0) if known else reason.strerror
        remedy = REMEDIES.get(reason.errno or 0, ELSE)
        super().__init__(
            f"Can't listen on {host}:{port}: {said}",
            remedy=remedy.format(host=names[0], port=names[1]),
        )


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    *,
    names: tuple[str, str],
    **options: Any,
) -> AsyncIterator[int]:
    """
    Serve *app*, and yield the port; behind the block requests under way are finished.

    Port 0 is any free one. Raises `PortError`, which tells what to change by *names*:
    those of the settings, or options, that *host* and *port* come from.
    """
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=FINISH_SECONDS, **options
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PortError(host, port, names, error) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def address(host: str, port: int) -> URL:
    """Return where to reach what listens on *host*; any address is this machine."""
    try:
        listening = ip_address(host)
    except ValueError:
        return URL.build(scheme="http", host=host, port=port)
    if listening.is_unspecified:
        host = "127.0.0.1" if listening.version == 4 else "::1"
    return URL.build(scheme="http", host=host, port=port)
