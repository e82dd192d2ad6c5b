"""
`drop-backend`: delete what is kept for a backend that isn't configured any more.

Events are left behind when their backend is removed from APP_INTEGRATIONS_BACKENDS.
"""

import argparse

from exporter.admin.backends import PATH
from exporter.commands.arguments import Subparsers, add_command
from exporter.commands.client import AdminPort, command
from exporter.commands.printing import as_json, plural, say


def add_to(commands: Subparsers) -> None:
    """Add `drop-backend` to *commands*."""
    add_command(commands, "drop-backend", drop_backend).add_argument(
        "old", metavar="OLD", help="shown as LEFT BEHIND by `status`"
    )


@command
async def drop_backend(port: AdminPort, args: argparse.Namespace) -> int:
    """Delete events and dead letters of a backend that isn't configured any more."""
    done = await port.post(PATH, {"backend": args.old})
    count = done["dropped"]
    print(as_json(done) if args.json else count)
    verb = "was" if count == 1 else "were"
    say(f"{count} {plural(count, 'event')} of {args.old} {verb} deleted")
    return 0
