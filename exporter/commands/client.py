"""
The way to the running service, or to its spool while there is none.

A spool has one holder. While a service has it, its admin port is asked; else the
command holds the spool itself, and serves the same on a port of its own meanwhile.
"""

import asyncio
import io
import secrets
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from exporter.admin import backends, dead_letters, guard
from exporter.base import codec
from exporter.base.errors import ExporterError
from exporter.broker.wanted import why_off
from exporter.commands.printing import printable
from exporter.config import settings
from exporter.config.declaration import PREFIX
from exporter.config.settings import SpoolLocation
from exporter.net.listening import address, listening
from exporter.spool import Spool, SpoolInUseError, open_spool
from exporter.spool.lock import is_locked
from exporter.spool.spool import FILE
from exporter.watch.status import status_without_service

OWN_HOST = "127.0.0.1"
CONNECT_SECONDS = 5.0
LOOK_SECONDS = 10.0
"""Longer than a disk may hang before the service says that it does."""
ANSWER_SECONDS = 300.0
"""To handle a million dead letters takes a while."""


class NoSpoolError(ExporterError):
    """There is nothing to look at."""

    def __init__(self, directory: Path) -> None:
        """Name the *directory*, and why nobody may have made it."""
        off = why_off()
        super().__init__(
            f"There is no spool in {directory}",
            remedy=f"The exporter is off here: {off}"
            if off
            else f"Set {PREFIX}SPOOL_DIR to what the service has, or start the "
            "service once; `app-integrations-exporter check` says what keeps it from "
            "starting",
        )


class UnreachableError(ExporterError):
    """Somebody holds the spool, and can't be asked."""

    def __init__(self, directory: Path, reason: str, remedy: str) -> None:
        """Say why the holder of *directory* can't be asked, and what to do."""
        super().__init__(
            f"{directory} is in use, and its service can't be asked: {reason}",
            remedy=remedy,
        )


class ServiceError(ExporterError):
    """The admin port answered with an error."""


class AdminPort:
    """The admin port for a spool."""

    def __init__(
        self, found: SpoolLocation, session: aiohttp.ClientSession, token: str
    ) -> None:
        """Ask through *session*; *token* belongs to this command's own port, if any."""
        self._directory = found.spool_dir.absolute()
        self._port = found.admin_port
        self.url = address(found.admin_host, found.admin_port)
        self._session = session
        self._token = token
        self.is_of_service = not token
        """Whether a service runs."""

    async def get(self, path: str, **query: object) -> Any:
        """Return what is at *path*; parameters that are None aren't sent."""
        params = {name: str(each) for name, each in query.items() if each is not None}
        patience = aiohttp.ClientTimeout(
            sock_connect=CONNECT_SECONDS, sock_read=LOOK_SECONDS
        )
        return await self._ask("GET", path, params=params, timeout=patience)

    async def post(self, path: str, body: object) -> Any:
        """Send *body* to *path*, and return the answer."""
        return await self._ask("POST", path, data=codec.encode(body))

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        if not self._port:
            raise self._unreachable(
                f"{PREFIX}ADMIN_PORT is 0, so it listens on any port",
                f'Set {PREFIX}ADMIN_PORT to the one in the line "ready" of its log',
            )
        headers = {hdrs.AUTHORIZATION: f"Bearer {self._token or self._issued()}"}
        try:
            async with self._session.request(
                method,
                self.url.join(URL(path)),
                headers=headers,
                allow_redirects=False,
                **more,
            ) as response:
                status, body = response.status, await response.read()
        except TimeoutError as error:
            raise self._unreachable(
                f"{self.url} doesn't answer",
                "Look at its log, and restart it if it hangs; what was asked for may "
                "be done all the same",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(
                f"{self.url} can't be connected to",
                f"Set {PREFIX}ADMIN_HOST and {PREFIX}ADMIN_PORT to what the service "
                "has; if it is just starting or stopping, or if another command "
                "holds the spool, try again in a moment",
            ) from error
        return self._read(status, body)

    def _issued(self) -> str:
        path = self._directory / guard.FILE
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no token"
            raise self._unreachable(
                f"its token, {path}, can't be read: {reason}",
                "Run the command as the user that runs the service; when there is no "
                "such file restart the service, or wait until another command is done",
            ) from error

    def _read(self, status: int, body: bytes) -> Any:
        if status == 401:
            raise self._unreachable(
                f"{self.url} doesn't take the token from {self._directory}",
                f"Another service listens there: set {PREFIX}ADMIN_PORT and "
                f"{PREFIX}SPOOL_DIR to what belongs together; or else the service "
                "could not write its token: its log says why",
            )
        try:
            answer = codec.decode(body)
            said = printable(str(answer.get("error", "")))
        except (ValueError, AttributeError) as error:
            raise self._unreachable(
                f"{self.url} answers {status}, and not as an exporter does",
                f"Set {PREFIX}ADMIN_HOST and {PREFIX}ADMIN_PORT to what the service "
                "has",
            ) from error
        if status != 200:
            raise ServiceError(f"The admin port answers {status}", remedy=said)
        return answer

    def _unreachable(self, reason: str, remedy: str) -> UnreachableError:
        return UnreachableError(self._directory, reason, remedy)


def command(
    action: Callable[[AdminPort, Namespace], Awaitable[int]],
) -> Callable[[Namespace], int]:
    """Return *action* as a command that finds the admin port by itself."""

    async def act(args: Namespace) -> int:
        async with admin_port(settings.spool_location()) as port:
            return await action(port, args)

    def call(args: Namespace) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):  # in whatever encoding
            sys.stdout.reconfigure(errors="backslashreplace")
        return asyncio.run(act(args))

    call.__doc__ = action.__doc__
    return call


@asynccontextmanager
async def admin_port(found: SpoolLocation) -> AsyncIterator[AdminPort]:
    """Yield the admin port of the service that holds the spool, else one of our own."""
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS
    )
    async with AsyncExitStack() as stack:
        token = ""
        if spool := _own_spool(found, stack):
            token = secrets.token_urlsafe(32)
            app = _app(spool, found.cluster_id, token)
            port = await stack.enter_async_context(
                listening(app, OWN_HOST, 0, names=("", ""))
            )
            found = found._replace(admin_host=OWN_HOST, admin_port=port)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=timeout)
        )
        yield AdminPort(found, session, token)


def _app(spool: Spool, cluster_id: str, token: str) -> web.Application:
    """Return the routes that a command serves while no service holds *spool*."""

    async def show_status(_: web.Request) -> web.Response:
        oldest = {name: await spool.oldest(name) for name in spool.outboxes}
        return guard.reply(status_without_service(spool, oldest, time.time()))

    app = web.Application(middlewares=[guard.guard(token)])
    app.add_routes(
        [
            web.get("/status", show_status),
            *dead_letters.routes(spool, cluster_id),
            *backends.routes(spool),
        ]
    )
    return app


def _own_spool(settings: SpoolLocation, stack: AsyncExitStack) -> Spool | None:
    """Return the spool, which *stack* closes, or None while a service holds it."""
    directory = settings.spool_dir.absolute()
    if is_locked(directory):
        return None
    if not (directory / FILE).exists():
        raise NoSpoolError(directory)
    # To salvage is the service's: it tells what is missing, and it owns the files.
    opening = open_spool(
        directory,
        backends=settings.backends,
        limit=settings.spool_max_bytes,
        salvage=False,
    )
    try:
        return stack.enter_context(opening)
    except SpoolInUseError:
        return None  # somebody was faster
