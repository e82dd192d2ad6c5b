"""
The way to the running service, or to its spool while there is none.

A spool has one holder. While a service has it, its admin port is asked; else whoever
asks holds the spool itself, for as long as that takes.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import hdrs
from yarl import URL

from exporter import codec
from exporter.commands.printing import printable
from exporter.declaration import PREFIX
from exporter.distribution.wiring import why_off
from exporter.errors import ExporterError
from exporter.listening import address
from exporter.operations import guard
from exporter.operations.dead_letters import MOST_IDS, PATH, Office
from exporter.settings import Whereabouts
from exporter.spool import Choice, Spool, SpoolInUseError, Window, open_spool
from exporter.spool.lock import is_locked
from exporter.spool.spool import FILE

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
    """The service has answered that it can't, and why."""


class AdminPort:
    """The admin port of the service that holds a spool."""

    def __init__(self, settings: Whereabouts, session: aiohttp.ClientSession) -> None:
        """Ask through *session* where *settings* say that the service listens."""
        self._directory = settings.spool_dir.absolute()
        self._port = settings.admin_port
        self._url = address(settings.admin_host, settings.admin_port)
        self._session = session

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
        headers = {hdrs.AUTHORIZATION: f"Bearer {self._token()}"}
        try:
            async with self._session.request(
                method,
                self._url.join(URL(path)),
                headers=headers,
                allow_redirects=False,
                **more,
            ) as response:
                status, body = response.status, await response.read()
        except TimeoutError as error:
            raise self._unreachable(
                f"{self._url} doesn't answer",
                "Look at its log, and restart it if it hangs; what was asked for may "
                "be done all the same",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(
                f"{self._url} can't be connected to",
                f"Set {PREFIX}ADMIN_HOST and {PREFIX}ADMIN_PORT to what the service "
                "has; if it is just starting or stopping, or if another command "
                "holds the spool, try again in a moment",
            ) from error
        return self._read(status, body)

    def _token(self) -> str:
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
                f"{self._url} doesn't take the token from {self._directory}",
                f"Another service listens there: set {PREFIX}ADMIN_PORT and "
                f"{PREFIX}SPOOL_DIR to what belongs together; or else the service "
                "could not write its token: its log says why",
            )
        try:
            answer = codec.decode(body)
            said = printable(str(answer.get("error", "")))
        except (ValueError, AttributeError) as error:
            raise self._unreachable(
                f"{self._url} answers {status}, and not as an exporter does",
                f"Set {PREFIX}ADMIN_HOST and {PREFIX}ADMIN_PORT to what the service "
                "has",
            ) from error
        if status != 200:
            raise ServiceError(f"The service answers {status}", remedy=said)
        return answer

    def _unreachable(self, reason: str, remedy: str) -> UnreachableError:
        return UnreachableError(self._directory, reason, remedy)


class Letters(Protocol):
    """Dead letters, wherever they are: what `Office` does."""

    async def page(
        self, choice: Choice, window: Window, limit: int, *, body: bool
    ) -> dict[str, Any]:
        """Return some of *choice*, and the id to go on behind."""

    async def retry(self, choice: Choice) -> dict[str, Any]:
        """Let *choice* wait again."""

    async def drop(self, choice: Choice) -> dict[str, Any]:
        """Forget *choice* for good."""


class AtTheService:
    """The dead letters of a running service."""

    def __init__(self, port: AdminPort) -> None:
        """Ask for them at *port*."""
        self._port = port

    async def page(
        self, choice: Choice, window: Window, limit: int, *, body: bool
    ) -> dict[str, Any]:
        """Return some of *choice*, and the id to go on behind."""
        ids = choice.ids
        answer: dict[str, Any] = await self._port.get(
            PATH,
            ids=None if ids is None else ",".join(map(str, ids)),
            backend=choice.backend,
            status=choice.status,
            after=window.after,
            before=window.before,
            order="newest" if window.newest_first else "oldest",
            limit=limit,
            body="true" if body else "false",
        )
        return answer

    async def retry(self, choice: Choice) -> dict[str, Any]:
        """Let *choice* wait again."""
        return await self._handle("retry", choice)

    async def drop(self, choice: Choice) -> dict[str, Any]:
        """Forget *choice* for good."""
        return await self._handle("drop", choice)

    async def _handle(self, verb: str, choice: Choice) -> dict[str, Any]:
        """Return the sum of as many answers as it takes."""
        total: dict[str, Any] = {}
        for start in range(0, max(len(choice.ids or ()), 1), MOST_IDS):
            ids = choice.ids and choice.ids[start : start + MOST_IDS]
            asked = {
                name: value
                for name, value in choice._replace(ids=ids)._asdict().items()
                if name == "ids" or value is not None
            }
            answer = await self._port.post(f"{PATH}/{verb}", asked)
            for name, part in answer.items():
                total[name] = total[name] + part if name in total else part
        return total


@asynccontextmanager
async def _admin_port(
    settings: Whereabouts,
) -> AsyncIterator[AdminPort]:
    """Yield the admin port of the service that holds the spool of *settings*."""
    timeout = aiohttp.ClientTimeout(
        total=None,
        sock_connect=CONNECT_SECONDS,
        sock_read=ANSWER_SECONDS,
    )
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield AdminPort(settings, session)


@asynccontextmanager
async def dead_letters(settings: Whereabouts) -> AsyncIterator[Letters]:
    """Yield the dead letters of a running service, or of the spool itself."""
    async with holder(settings) as found:
        if isinstance(found, AdminPort):
            yield AtTheService(found)
        else:
            yield Office(found, settings.cluster_id)


@asynccontextmanager
async def holder(settings: Whereabouts) -> AsyncIterator[AdminPort | Spool]:
    """Yield the admin port of the service that holds the spool, else the spool."""
    with ExitStack() as stack:
        if spool := _own_spool(settings, stack):
            yield spool
            return
        async with _admin_port(settings) as port:
            yield port


def _own_spool(settings: Whereabouts, stack: ExitStack) -> Spool | None:
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
