"""
`dead-letters`: list, show, retry, drop and export events that weren't delivered.

stdout holds only the result, so that `n=$(... dead-letters retry --all)` works.
"""

import argparse
from argparse import Namespace
from typing import Any

from exporter.admin.dead_letters import MOST_LETTERS, PATH
from exporter.base.errors import ExporterError
from exporter.commands.arguments import Subparsers, add_command, value_of, whole_number
from exporter.commands.client import AdminPort, command
from exporter.commands.printing import as_json, local_time, plural, pretty, say, table
from exporter.config.rules import ID

MEANING = "List and show dead letters, send them again, drop or export them."
DESCRIPTION = """\
A dead letter is an event that the backend refused or that became too old, or a record
that could not be read. It is kept, with the reason, until you retry or drop it. The
command asks the running service on its admin port, or else opens the spool itself."""
EPILOG = """\
examples:
  %(prog)s list --status 400
  %(prog)s show 17
  %(prog)s retry 17 18
  %(prog)s retry --all --status 422
  %(prog)s export > dead-letters.jsonl
  %(prog)s drop 17

Each command has --help. See also docs/dead-letters.md."""

COLUMNS = ("id", "time", "backend", "event", "reason", "status", "attempts", "bytes")
MOST_LISTED = 100
MOST_NAMED = 20


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
    listing = add_command(under, "list", list_)
    _add_ids(add_command(under, "show", show), nargs=1)
    retrying = add_command(under, "retry", retry)
    chosen = retrying.add_mutually_exclusive_group(required=True)
    _add_ids(chosen, nargs="*", default=[])
    chosen.add_argument("--all", action="store_true", help="instead of ids")
    _add_ids(add_command(under, "drop", drop), nargs="+")
    exporting = add_command(under, "export", export, json=False)
    for each in (listing, retrying, exporting):
        each.add_argument("--backend", type=value_of(ID), help="only of this backend")
        each.add_argument("--status", type=whole_number, help="only with this status")


def _add_ids(command: argparse._ActionsContainer, **more: Any) -> None:
    command.add_argument(
        "ids", type=whole_number, metavar="ID", help="as `list` shows it", **more
    )


@command
async def list_(port: AdminPort, args: Namespace) -> int:
    """List dead letters, the newest last."""
    query = {"limit": MOST_LISTED, "order": "newest", "body": "false"}
    page = await port.get(PATH, **query, **_filters(args))
    found = page["dead_letters"][::-1]
    if args.json:
        print(as_json(found))
    elif found:
        for letter in found:
            letter["time"] = local_time(letter["time"])
            letter["event"] = letter["event"] or letter["record"]
        print(table(COLUMNS, [[x[name] for name in COLUMNS] for x in found]))
    if page["next"] is not None:
        say(f"These are the newest {MOST_LISTED}: `export` has all of them")
    if not found:
        say(f"There are no {'such ' if _filters(args) else ''}dead letters")
    return 0


def _filters(args: Namespace) -> dict[str, Any]:
    filters = {"backend": args.backend, "status": args.status}
    return {name: value for name, value in filters.items() if value is not None}


@command
async def show(port: AdminPort, args: Namespace) -> int:
    """Show all details of a dead letter, with the backend's answer and the event."""
    page = await port.get(PATH, ids=args.ids[0])
    if not page["dead_letters"]:
        raise _unknown(args.ids)
    (letter,) = page["dead_letters"]
    print(as_json(letter) if args.json else pretty(letter))
    return 0


@command
async def retry(port: AdminPort, args: Namespace) -> int:
    """Send dead letters again, each once, after the waiting events of its instance."""
    asked = {"ids": None if args.all else args.ids, **_filters(args)}
    done = await port.post(f"{PATH}/retry", asked)
    print(as_json(done) if args.json else done["retried"])
    when = "" if port.is_of_service else " once the service runs"
    say(f"{_counted(done['retried'])} will be delivered again{when}")
    if left := done["never_events"]:
        named = _named(done["never_event_ids"], left)
        say(
            f"{_counted(left)} can't be retried: {named} never became an event. "
            "`dead-letters export` shows all details"
        )
    if of_no_backend := done["of_no_backend"]:
        say(
            f"{_counted(of_no_backend)} can't be retried, because the backend isn't "
            "configured any more: configure it again, or drop its dead letters"
        )
    if done["unknown"]:
        raise _unknown(done["unknown"])
    return 0 if args.all else int(left + of_no_backend > 0)


@command
async def drop(port: AdminPort, args: Namespace) -> int:
    """Delete dead letters for good; export them first if you may need them."""
    done = await port.post(f"{PATH}/drop", {"ids": args.ids})
    print(as_json(done) if args.json else done["dropped"])
    say(f"{_counted(done['dropped'])} dropped for good")
    if done["unknown"]:
        raise _unknown(done["unknown"])
    return 0


@command
async def export(port: AdminPort, args: Namespace) -> int:
    """Print dead letters with all details, one JSON object a line."""
    count = 0
    after: int | None = 0
    while after is not None:
        page = await port.get(PATH, limit=MOST_LETTERS, after=after, **_filters(args))
        for letter in page["dead_letters"]:
            print(as_json(letter, indent=None))
        count += len(page["dead_letters"])
        after = page["next"]
    say(f"{_counted(count)} exported, and still in the spool")
    return 0


def _unknown(ids: list[int]) -> ExporterError:
    return ExporterError(
        f"There is no dead letter {_named(ids, len(ids))}",
        remedy="It may have been retried or dropped: `dead-letters list` shows the "
        "ones that are left",
    )


def _named(ids: list[int], count: int) -> str:
    """Join the first *ids* of *count* dead letters for a sentence."""
    more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    return ", ".join(map(str, ids[:MOST_NAMED])) + more


def _counted(count: int) -> str:
    """Return "1 dead letter", "2 dead letters" and so on."""
    return f"{count} {plural(count, 'dead letter')}"
