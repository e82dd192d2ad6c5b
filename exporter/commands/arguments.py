"""What can be said after `dead-letters`, and what its help says."""

import argparse
from collections.abc import Callable
from typing import Any

from exporter.admin.dead_letters import LARGEST_ID
from exporter.commands import dead_letters

MEANING = "Look at events that were given up, send them again, drop or export them."
DESCRIPTION = """\
Dead letters are events that the backend refused, or that became too old, and records
that could not be read. They are kept, with the reason, until somebody decides. The
running service is asked on its admin port; without one the spool itself is opened."""
EPILOG = """\
examples:
  %(prog)s list --status 400
  %(prog)s show 17
  %(prog)s retry 17 18
  %(prog)s retry --all --status 422
  %(prog)s export dead-letters.jsonl
  %(prog)s drop 17

Each command has its --help. What to do when: docs/dead-letters.md."""

Subparsers = Any  # argparse doesn't name it


def add_to(commands: Subparsers) -> None:
    """Add `dead-letters` to *commands*."""
    top = commands.add_parser(
        "dead-letters",
        help=MEANING,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    under = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    listing = _command(under, "list", dead_letters.list_)
    _add_filters(listing)
    listing.add_argument(
        "--limit",
        type=identifier,
        default=100,
        metavar="N",
        help="the newest N (default: %(default)s)",
    )
    _command(under, "show", dead_letters.show).add_argument(
        "id", type=identifier, metavar="ID", help="as `list` shows it"
    )
    retrying = _command(under, "retry", _retry)
    retrying.add_argument(
        "ids", type=identifier, nargs="*", metavar="ID", help="as `list` shows it"
    )
    retrying.add_argument("--all", action="store_true", help="instead of ids")
    _add_filters(retrying, "with --all: ")
    retrying.set_defaults(usage_error=retrying.error)
    _command(under, "drop", dead_letters.drop).add_argument(
        "ids", type=identifier, nargs="+", metavar="ID", help="as `list` shows it"
    )
    exporting = _command(under, "export", dead_letters.export, json=False)
    exporting.add_argument(
        "file", metavar="FILE", help="a new file, or - for standard output"
    )
    _add_filters(exporting)


def identifier(text: str) -> int:
    """Return the whole number from 1 on in *text*."""
    digits = text.isascii() and text.isdigit() and len(text) < 20
    if digits and 1 <= int(text) <= LARGEST_ID:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from 1 on")


def _retry(args: argparse.Namespace) -> int:
    if args.all == bool(args.ids):
        args.usage_error("give either ids or --all")
    for name in ("backend", "status"):
        if getattr(args, name) and not args.all:
            args.usage_error(f"--{name} goes with --all")
    return dead_letters.retry(args)


_retry.__doc__ = dead_letters.retry.__doc__


def _command(
    under: Subparsers,
    name: str,
    call: Callable[[argparse.Namespace], int],
    *,
    json: bool = True,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = under.add_parser(
        name, help=call.__doc__, description=call.__doc__
    )
    command.set_defaults(call=call)
    if json:
        command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _add_filters(command: argparse.ArgumentParser, when: str = "") -> None:
    command.add_argument(
        "--backend", type=_name, metavar="NAME", help=f"{when}only this backend's"
    )
    command.add_argument(
        "--status", type=identifier, metavar="N", help=f"{when}only with this status"
    )


def _name(text: str) -> str:
    if not (text and text.isascii()):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no backend's name")
    return text
