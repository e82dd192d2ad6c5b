"""
`backends`: what each backend still has to get, and what becomes of those of the past.

stdout holds only the result. The running service is asked on its admin port; without
one the spool itself is opened.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from exporter import settings
from exporter.commands.client import AdminPort, holder
from exporter.commands.printing import as_json, printable, table
from exporter.operations.backends import PATH, Roster

MEANING = "Show what each backend still has to get, and drop what was left behind."
EPILOG = """\
examples:
  %(prog)s
  %(prog)s drop old

What waits for a backend that isn't in APP_INTEGRATIONS_BACKENDS any more is kept until
it is dropped, and delivered if the backend is named there again."""

HEAD = ("backend", "configured", "waiting", "bytes", "dead letters")
RIGHT = frozenset({"waiting", "bytes", "dead letters"})

Subparsers = Any  # argparse doesn't name it


class AtTheService:
    """The backends of a running service: what `Roster` does."""

    def __init__(self, port: AdminPort) -> None:
        """Ask for them at *port*."""
        self._port = port

    async def all(self) -> list[dict[str, Any]]:
        """Return what is kept for each."""
        answer = await self._port.get(PATH)
        listed: list[dict[str, Any]] = answer["backends"]
        return listed

    async def drop(self, old: str) -> int:
        """Forget what waits for *old*."""
        return int((await self._port.post(f"{PATH}/drop", {"backend": old}))["dropped"])


Backends = Roster | AtTheService


@asynccontextmanager
async def found() -> AsyncIterator[Backends]:
    """Yield the backends of a running service, or of the spool itself."""
    async with holder(settings.whereabouts()) as holding:
        if isinstance(holding, AdminPort):
            yield AtTheService(holding)
        else:
            yield Roster(holding)


async def kept() -> list[dict[str, Any]]:
    """Return what is kept for each backend."""
    async with found() as backends:
        return await backends.all()


def _command(
    action: Callable[[Backends, argparse.Namespace], Awaitable[int]],
) -> Callable[[argparse.Namespace], int]:
    """Return *action* as a command that finds the backends by itself."""

    async def act(args: argparse.Namespace) -> int:
        async with found() as backends:
            return await action(backends, args)

    def call(args: argparse.Namespace) -> int:
        return asyncio.run(act(args))

    call.__doc__ = action.__doc__
    return call


@_command
async def show(backends: Backends, args: argparse.Namespace) -> int:
    """Show what is kept for each backend."""
    listed = await backends.all()
    if args.json:
        print(as_json(listed))
        return 0
    rows = [
        (
            printable(each["backend"]),
            "yes" if each["configured"] else "NO",
            each["events"],
            each["event_bytes"],
            each["dead_letters"],
        )
        for each in listed
    ]
    for line in table(HEAD, rows, right=RIGHT, width=None, elastic="backend"):
        print(line)
    return 0


@_command
async def drop(backends: Backends, args: argparse.Namespace) -> int:
    """Forget for good what waits for a backend of the past, and its dead letters."""
    count = await backends.drop(args.old)
    print(as_json({"dropped": count}) if args.json else count)
    print(f"{count} events of {args.old} are forgotten", file=sys.stderr)
    return 0


def add_to(commands: Subparsers) -> None:
    """Add `backends` to *commands*."""
    top = commands.add_parser(
        "backends",
        help=MEANING,
        description=MEANING,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.set_defaults(call=show)
    top.add_argument("--json", action="store_true", help="print JSON")
    under = top.add_subparsers(title="commands", metavar="COMMAND")
    command = under.add_parser("drop", help=drop.__doc__, description=drop.__doc__)
    command.set_defaults(call=drop)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("old", metavar="OLD", help="the backend of the past")
