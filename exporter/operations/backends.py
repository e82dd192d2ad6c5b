"""
Backends on the admin port: what each still has to get, also those of the past.

What waits for a backend that isn't configured any more is kept until somebody decides.
"""

import logging
from typing import Any

from aiohttp import web

from exporter import codec
from exporter.operations.guard import InputError, reply
from exporter.spool import Spool

PATH = "/backends"

log = logging.getLogger(__name__)


class Roster:
    """The backends of one spool."""

    def __init__(self, spool: Spool) -> None:
        """Ask *spool*."""
        self._spool = spool

    async def all(self) -> list[dict[str, Any]]:
        """Return what is kept for each, those that are configured first."""
        names = [*self._spool.outboxes, *self._spool.left_behind]
        return [self._shown(name) for name in names]

    async def drop(self, old: str) -> int:
        """Forget what waits for *old*; return how many events that are."""
        if old in self._spool.outboxes:
            raise InputError(
                f"{old} is configured",
                remedy="Take it out of APP_INTEGRATIONS_BACKENDS first, and restart",
            )
        if old not in self._spool.left_behind:
            past = ", ".join(self._spool.left_behind) or "none"
            raise InputError(
                f"Nothing is kept for a backend {old[:40]!r}",
                remedy=f"These are no longer configured: {past}",
            )
        count = await self._spool.drop_backend(old)
        log.info(
            "events of a backend were dropped", extra={"backend": old, "events": count}
        )
        return count

    def _shown(self, name: str) -> dict[str, Any]:
        waiting, dead = self._spool.waiting_for(name), self._spool.dead_of(name)
        return {
            "backend": name,
            "configured": name in self._spool.outboxes,
            "events": waiting.rows,
            "event_bytes": waiting.size,
            "dead_letters": dead.rows,
        }


def routes(roster: Roster) -> list[web.RouteDef]:
    """Return what the admin port answers about the backends of *roster*."""

    async def show(_: web.Request) -> web.Response:
        return reply({"backends": await roster.all()})

    async def drop(request: web.Request) -> web.Response:
        old = _name(await request.read())
        return reply({"dropped": await roster.drop(old)})

    return [web.get(PATH, show), web.post(f"{PATH}/drop", drop)]


def _name(body: bytes) -> str:
    """Return the name that *body* has in `backend`, and in nothing else."""
    try:
        asked = codec.decode(body)
    except ValueError:
        asked = None
    match asked:
        case {"backend": str(name)} if len(asked) == 1:
            return name
    raise InputError(
        "The body isn't what this takes", remedy='Send {"backend": "its name"}'
    )
