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

    async def hand_over(self, old: str, new: str) -> int:
        """Let *new* get what waits for *old*; return how many events that are."""
        self._past(old)
        if new not in self._spool.outboxes:
            raise InputError(
                f"{new[:40]!r} is no backend that is configured",
                remedy=f"These are: {', '.join(self._spool.outboxes)}",
            )
        count = await self._spool.hand_over(old, new)
        log.info(
            "events were handed over to another backend",
            extra={"from": old, "backend": new, "events": count},
        )
        return count

    async def drop(self, old: str) -> int:
        """Forget what waits for *old*; return how many events that are."""
        self._past(old)
        count = await self._spool.drop_backend(old)
        log.info(
            "events of a backend were dropped", extra={"backend": old, "events": count}
        )
        return count

    def _past(self, name: str) -> None:
        """Raise unless *name* is a backend of the past."""
        if name in self._spool.outboxes:
            raise InputError(
                f"{name} is configured",
                remedy="Take it out of APP_INTEGRATIONS_BACKENDS first, and restart",
            )
        if name not in self._spool.left_behind:
            past = ", ".join(self._spool.left_behind) or "none"
            raise InputError(
                f"Nothing is kept for a backend {name[:40]!r}",
                remedy=f"These are no longer configured: {past}",
            )

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

    async def hand_over(request: web.Request) -> web.Response:
        old, new = _names(await request.read(), "from", "to")
        return reply({"handed_over": await roster.hand_over(old, new)})

    async def drop(request: web.Request) -> web.Response:
        (old,) = _names(await request.read(), "backend")
        return reply({"dropped": await roster.drop(old)})

    return [
        web.get(PATH, show),
        web.post(f"{PATH}/hand-over", hand_over),
        web.post(f"{PATH}/drop", drop),
    ]


def _names(body: bytes, *fields: str) -> list[str]:
    """Return the names that *body* has in *fields*, and in nothing else."""
    try:
        asked = codec.decode(body)
    except ValueError:
        asked = None
    if isinstance(asked, dict) and asked.keys() == set(fields):
        names = [asked[field] for field in fields]
        if all(isinstance(name, str) for name in names):
            return names
    shown = ", ".join(f'"{field}": "..."' for field in fields)
    raise InputError("The body isn't what this takes", remedy=f"Send {{{shown}}}")
