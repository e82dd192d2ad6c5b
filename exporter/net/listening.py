"""
Serve HTTP for the length of a block.

Connections of clients that send nothing, an endless head or an unwanted body are
closed, so that they cost almost nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from ipaddress import ip_address
from typing import Any

from aiohttp import ClientError, web
from aiohttp.typedefs import Handler
from yarl import URL

from exporter.base.errors import ExporterError
from exporter.net.tls import reason_of

FINISH_SECONDS = 5.0
HEAD_SECONDS = 30.0
LARGEST_HEAD = 64 * 1024
MOST_STRANGERS = 256
"""Connections without a complete head; if there are more, the oldest is closed."""
UNWANTED_BYTES = 256 * 1024
"""Bytes of an unwanted body that are read to keep the connection open."""
UNWANTED_SECONDS = 1.0


class PortError(ExporterError):
    """It is impossible to listen on an address."""

    def __init__(
        self, host: str, port: int, names: tuple[str, str], reason: OSError
    ) -> None:
        """Use *names*, the settings of *host* and *port*, in the remedy."""
        super().__init__(
            f"Can't listen on {host}:{port}: {reason_of(reason)}",
            remedy="Use an address of this machine in {}, and a free port above 1023: "
            "stop the other process (perhaps an exporter), or set {}".format(*names),
        )


class Connection(web.RequestHandler):
    """
    A connection that is closed if a head is too slow or too large.

    It is one of *strangers* until its first complete head has arrived.
    """

    __slots__ = ("_broken", "_head", "_late", "_strangers")

    def __init__(
        self, server: web.Server, strangers: dict["Connection", None], **options: Any
    ) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._strangers = strangers
        self._late: asyncio.TimerHandle | None = None
        self._head = 0
        """Bytes of the incomplete head."""
        self._broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the time of the first head; close the oldest stranger if needed."""
        super().connection_made(transport)
        self._late = self._loop.call_later(HEAD_SECONDS, self.force_close)
        if len(self._strangers) >= MOST_STRANGERS:
            next(iter(self._strangers)).force_close()
        self._strangers[self] = None

    def data_received(self, data: bytes) -> None:
        """Apply the limits of heads to *data*."""
        if self._broken:
            return
        requests = self._request_count
        super().data_received(data)
        newest = self._messages[-1][0] if self._messages else None
        if error := getattr(newest, "exc", None):
            # Every later chunk would raise again, and the frames of each traceback hold
            # that chunk until the garbage collector runs.
            error.with_traceback(None)
            self._broken = True
            # Leave time for the answer; nothing else ends an incomplete body.
            self._loop.call_later(UNWANTED_SECONDS, self.force_close)
        if self._request_count > requests:
            self._forget()
        elif self._late or (self._waiter and not self._waiter.done()):
            self._late = self._late or self._loop.call_later(
                HEAD_SECONDS, self.force_close
            )
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._forget()
        super().connection_lost(exc)

    def _forget(self) -> None:
        self._strangers.pop(self, None)
        self._head = 0
        if self._late:
            self._late.cancel()
            self._late = None


@web.middleware
async def _spare(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer, then read a small rest of an unwanted body."""
    response = await handler(request)
    left = UNWANTED_BYTES - (request.content_length or 0)
    try:
        async with asyncio.timeout(UNWANTED_SECONDS):
            while left > 0 and not request.content.is_eof() and request.transport:
                left -= len(await request.content.readany())
    except (ClientError, web.RequestPayloadError, OSError) as error:
        error.with_traceback(None)  # the request keeps the error
    if not request.content.is_eof():
        response.force_close()
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
            # The client might not read the answer if we closed at once.
            await asyncio.sleep(UNWANTED_SECONDS)
    return response


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
    Serve *app* and yield the port; after the block, finish requests in progress.

    Port 0 means any free port. Raises `PortError`, whose remedy contains *names*: the
    settings or options that *host* and *port* come from.
    """
    app.middlewares.insert(0, _spare)
    runner = web.AppRunner(app, shutdown_timeout=FINISH_SECONDS)
    await runner.setup()
    options |= {"access_log": None, "lingering_time": 0}
    assert runner.server  # noqa: S101 - it's set up
    strangers: dict[Connection, None] = {}
    connection = partial(Connection, runner.server, strangers, **options)
    try:
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(connection, host, port)
        except OSError as error:
            raise PortError(host, port, names, error) from error
        with closing(server):
            yield server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


def address(host: str, port: int) -> URL:
    """Return the URL of a server on *host*; 0.0.0.0 and :: become this machine."""
    with suppress(ValueError):  # a name
        if (listening_on := ip_address(host)).is_unspecified:
            host = "127.0.0.1" if listening_on.version == 4 else "::1"
    return URL.build(scheme="http", host=host, port=port)
