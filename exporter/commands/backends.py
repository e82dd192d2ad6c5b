"""`backends`: what each backend still has to get, and events that were left behind."""

import argparse

from exporter.admin.backends import PATH
from exporter.commands.arguments import Subparsers, add_command
from exporter.commands.client import AdminPort, command
from exporter.commands.printing import as_json, say, table

EPILOG = """\
examples:
  %(prog)s
  %(prog)s drop old

Events are left behind when their backend is removed from APP_INTEGRATIONS_BACKENDS.
They are kept until you drop them, and delivered if you add the backend again."""


def add_to(commands: Subparsers) -> None:
    """Add `backends` to *commands*."""
    top = add_command(commands, "backends", show, epilog=EPILOG)
    under = top.add_subparsers(title="commands", metavar="[COMMAND]")
    add_command(under, "drop", drop).add_argument(
        "old", metavar="OLD", help="a backend that isn't configured any more"
    )


@command
async def show(port: AdminPort, args: argparse.Namespace) -> int:
    """Show what each backend still has to get, and drop what was left behind."""
    listed = (await port.get(PATH))["backends"]
    if args.json:
        print(as_json(listed))
        return 0
    rows = [
        (
            each["backend"],
            "yes" if each["configured"] else "NO",
            each["events"],
            each["event_bytes"],
            each["dead_letters"],
        )
        for each in listed
    ]
    print(table(("backend", "configured", "waiting", "bytes", "dead letters"), rows))
    return 0


@command
async def drop(port: AdminPort, args: argparse.Namespace) -> int:
    """Delete events and dead letters of a backend that isn't configured any more."""
    done = await port.post(f"{PATH}/drop", {"backend": args.old})
    count = done["dropped"]
    print(as_json(done) if args.json else count)
    say(f"{count} events of {args.old} were deleted")
    return 0
