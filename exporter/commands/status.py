"""
`status`: is it delivering, and if not, why and what to do.

The running service is asked on its admin port. While none holds the spool, what waits
is read from there.
"""

import argparse
import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from exporter import codec, settings
from exporter.commands.status_lines import lines_of
from exporter.declaration import PREFIX
from exporter.errors import ExporterError
from exporter.operations.status import status_without_service
from exporter.service import BACKEND
from exporter.settings import Settings
from exporter.spool import SpoolInUseError, open_spool
from exporter.spool.lock import is_locked
from exporter.spool.spool import FILE

TOKEN = "admin.token"  # noqa: S105 - the name of its file
ANSWER_SECONDS = 10.0
"""Longer than a disk may hang before the service says that it does."""
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask then


class UnreachableError(ExporterError):
    """Nobody can say how the service fares."""


def status(args: argparse.Namespace) -> int:
    """Tell whether events are delivered, and if not, why and what to do."""
    answer = asyncio.run(_status(settings.load()))
    if args.json:
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(lines_of(answer)))
    return 0 if answer["ok"] else 1


async def _status(settings: Settings) -> dict[str, Any]:
    directory = settings.spool_dir.absolute()
    if is_locked(directory):
        return await _of_service(settings, directory)
    if not (directory / FILE).exists():
        raise UnreachableError(
            f"No service is running, and there is no spool in {directory}",
            remedy=f"Start the service, or set {PREFIX}SPOOL_DIR to what it has",
        )
    opening = open_spool(directory, backend=BACKEND, limit=settings.spool_max_bytes)
    with suppress(SpoolInUseError), opening as spool:
        return status_without_service(spool, await spool.oldest(), time.time())
    return await _of_service(settings, directory)  # it was faster


async def _of_service(settings: Settings, directory: Path) -> dict[str, Any]:
    """Return what the service that holds *directory* says of itself."""
    host, port = settings.admin_host, settings.admin_port
    if not port:
        raise UnreachableError(
            f"A service holds {directory}, and {PREFIX}ADMIN_PORT is 0: any free one",
            remedy=f'Set {PREFIX}ADMIN_PORT to the one in the line "ready" of its log',
        )
    url = URL.build(
        scheme="http", host=ANYWHERE.get(host, host), port=port, path="/status"
    )
    problem, remedy = "answers as no exporter does", "what the service has"
    try:
        code, body = await _get(url, _token(directory))
    except TimeoutError:
        problem, remedy = "doesn't answer", "what the service has, or look at its log"
    except (aiohttp.ClientError, OSError):
        problem = "can't be connected to"
        remedy = "what the service has; while it starts or stops, try again soon"
    else:
        if code == 401:
            problem = f"doesn't take the token from {directory / TOKEN}"
            remedy = "what this spool's service has, and run this as its user"
        with suppress(ValueError, AttributeError):
            answer: dict[str, Any] = codec.decode(body)
            if code == 200 and {"ok", "delivery", "spool"} <= answer.keys():
                return answer
    raise UnreachableError(
        f"A service holds {directory}, and {url.origin()} {problem}",
        remedy=f"Set {PREFIX}ADMIN_HOST and {PREFIX}ADMIN_PORT to {remedy}",
    )


async def _get(url: URL, token: str) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, await response.read()


def _token(directory: Path) -> str:
    """Return the token for the admin port, nothing when there is none to read."""
    try:
        return (directory / TOKEN).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
