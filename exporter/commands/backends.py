"""
`backends`: what each backend still has to get, and what becomes of those of the past.

stdout holds only the result.
"""

import argparse
import sys
from typing import Any

from exporter.admin.backends import PATH
from exporter.commands.client import AdminPort, admin_port, command
from exporter.commands.printing import as_json, printable, table
from exporter.config import settings

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


async def kept() -> list[dict[str, Any]]:
    """Return what is kept for each backend."""
    async with admin_port(settings.spool_location()) as port:
        return await _kept(port)


async def _kept(port: AdminPort) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await port.get(PATH))["backends"]
    return listed


@command
async def show(port: AdminPort, args: argparse.Namespace) -> int:
    """Show what is kept for each backend."""
    listed = await _kept(port)
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


@command
async def drop(port: AdminPort, args: argparse.Namespace) -> int:
    """Forget for good what waits for a backend of the past, and its dead letters."""
    done = await port.post(f"{PATH}/drop", {"backend": args.old})
    count = done["dropped"]
    print(as_json(done) if args.json else count)
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
    dropping = under.add_parser("drop", help=drop.__doc__, description=drop.__doc__)
    dropping.set_defaults(call=drop)
    dropping.add_argument("--json", action="store_true", help="print JSON")
    dropping.add_argument("old", metavar="OLD", help="the backend of the past")
