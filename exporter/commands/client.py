"""
The connection of a command to the admin port, with or without a running service.

Only one process can hold a spool. If a service holds it, the command asks the admin
port of the service. Otherwise the command holds the spool and serves the admin port
itself, on a free port of this machine, until it ends.
"""

import asyncio
import secrets
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from exporter.admin import backends, dead_letters, guard
from exporter.base import codec
from exporter.base.errors import ExporterError
from exporter.broker.wanted import why_off
from exporter.config import settings
from exporter.config.declaration import PREFIX
from exporter.config.settings import Settings
from exporter.net.listening import address, listening
from exporter.net.tls import reason_of
from exporter.spool import Spool, SpoolInUseError, open_spool
from exporter.spool.lock import is_locked
from exporter.spool.spool import FILE
from exporter.watch.status import status_without_service

OWN_HOST = "127.0.0.1"
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
"""For GET: longer than a disk may hang before the service reports it."""
ANSWER_SECONDS = 300.0
"""For POST: a request may handle a million dead letters."""
ADDRESS_REMEDY = (
    f"Set {PREFIX}ADMIN_HOST and {PREFIX}ADMIN_PORT to the values of the service, "
    'which are in the line "ready" of its log'
)


class AdminPort:
    """The client of the admin port."""

    def __init__(
        self, location: Settings, session: aiohttp.ClientSession, token: str
    ) -> None:
        """Use *token*, or else the token of the service that holds the spool."""
        self._directory = location.spool_dir.absolute()
        self.url = address(location.admin_host, location.admin_port)
        self._session = session
        self._token = token
        self.is_of_service = not token
        """Whether a service answers, instead of this command."""

    async def get(self, path: str, **query: object) -> Any:
        """Return the answer to GET *path* with the parameters of *query*."""
        params = {name: str(each) for name, each in query.items()}
        return await self._ask("GET", path, READ_SECONDS, params=params)

    async def post(self, path: str, body: object) -> Any:
        """Return the answer to POST *path* with *body*."""
        return await self._ask("POST", path, ANSWER_SECONDS, data=codec.encode(body))

    async def _ask(self, method: str, path: str, seconds: float, **more: Any) -> Any:
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=seconds)
        # Read for each request, because a restarted service has a new one.
        headers = {hdrs.AUTHORIZATION: f"Bearer {self._token or self._issued()}"}
        more |= {"headers": headers, "allow_redirects": False, "timeout": timeout}
        try:
            async with self._session.request(
                method, self.url.join(URL(path)), **more
            ) as response:
                return self._read(response.status, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(
                f"{self.url} can't be asked: {reason_of(error)}",
                f"{ADDRESS_REMEDY}. If the service is starting or stopping, or another "
                "command holds the spool, try again in a moment. If nothing answers in "
                "time, see the log of the service: the command may still take effect",
            ) from error

    def _issued(self) -> str:
        path = self._directory / guard.FILE
        try:
            return path.read_text(encoding="ascii", errors="replace").strip()
        except OSError as error:
            raise self._unreachable(
                f"its token, {path}, can't be read: {error.strerror}",
                "Run the command as the user that runs the service. If the file is "
                "missing, restart the service, or wait until another command has ended",
            ) from error

    def _read(self, status: int, body: bytes) -> Any:
        try:
            answer = codec.decode(body)
            problem, _, remedy = str(answer.get("error", "")).partition(". ")
        except (ValueError, AttributeError) as error:
            raise self._unreachable(
                f"{self.url} answers {status}, but not like an exporter", ADDRESS_REMEDY
            ) from error
        if status != 200:
            raise ExporterError(problem, remedy=remedy or "See the log of the service")
        return answer

    def _unreachable(self, reason: str, remedy: str) -> ExporterError:
        problem = f"{self._directory} is in use, but its service can't be reached"
        return ExporterError(f"{problem}: {reason}", remedy=remedy)


def command(
    action: Callable[[AdminPort, Namespace], Awaitable[int]],
) -> Callable[[Namespace], int]:
    """Turn *action* into a command that opens the admin port itself."""

    async def act(args: Namespace) -> int:
        async with admin_port(settings.spool_location()) as port:
            try:
                return await action(port, args)
            except BrokenPipeError as error:
                closed = error
        # Raised only here: the spool would report any OSError as a failure of the disk.
        raise closed

    def call(args: Namespace) -> int:
        return asyncio.run(act(args))

    call.__doc__ = action.__doc__
    return call


@asynccontextmanager
async def admin_port(location: Settings) -> AsyncIterator[AdminPort]:
    """Open the admin port of the service that holds the spool, or else our own."""
    async with AsyncExitStack() as stack:
        token = ""
        if spool := _own_spool(location, stack):
            token = secrets.token_urlsafe(32)
            app = _app(spool, location.cluster_id, token)
            serving = listening(app, OWN_HOST, 0, names=("", ""))
            port = await stack.enter_async_context(serving)
            location = replace(location, admin_host=OWN_HOST, admin_port=port)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield AdminPort(location, session, token)


def _own_spool(location: Settings, stack: AsyncExitStack) -> Spool | None:
    """Open the spool until *stack* closes; return None while a service holds it."""
    directory = location.spool_dir.absolute()
    if is_locked(directory):
        return None
    if not (directory / FILE).exists():
        raise _no_spool(directory)
    # Only the service salvages: it reports what is missing, and the files are its own.
    opening = open_spool(
        directory,
        backends=location.names,
        limit=location.spool_max_bytes,
        salvage=False,
    )
    try:
        return stack.enter_context(opening)
    except SpoolInUseError:
        return None  # a service was faster


def _no_spool(directory: Path) -> ExporterError:
    remedy = (
        f"Set {PREFIX}SPOOL_DIR to the value of the service, or start the service. If "
        "it doesn't start, run `app-integrations-exporter check`"
    )
    if off := why_off():
        remedy = f"The exporter is off here: {off}"
    return ExporterError(f"There is no spool in {directory}", remedy=remedy)


def _app(spool: Spool, cluster_id: str, token: str) -> web.Application:
    """Return the part of the admin port that needs no service."""

    async def show_status(_: web.Request) -> web.Response:
        oldest = {name: await spool.oldest(name) for name in spool.outboxes}
        return guard.reply(status_without_service(spool, oldest, time.time()))

    app = web.Application(middlewares=[guard.guard(token)])
    routes = [*dead_letters.routes(spool, cluster_id), *backends.routes(spool)]
    app.add_routes([web.get("/status", show_status), *routes])
    return app
