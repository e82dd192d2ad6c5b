"""
`dead-letters`: list, show, retry, drop and export events that weren't delivered.

stdout holds only the result, so that `n=$(... dead-letters retry --all)` works.
"""

import argparse
import json
from argparse import Namespace
from typing import Any

from exporter.admin.dead_letters import MOST_IDS, PATH
from exporter.base import codec
from exporter.base.errors import ExporterError
from exporter.commands.arguments import Subparsers, add_command, value_of, whole_number
from exporter.commands.client import AdminPort, command
from exporter.commands.dead_letter_export import Letter, counted, export, letters
from exporter.commands.printing import (
    as_json,
    local_time,
    paragraphs,
    pretty,
    printable,
    say,
    table,
)
from exporter.config.rules import ID

MEANING = "List dead letters, send them again, drop or export them."
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
  %(prog)s export dead-letters.jsonl
  %(prog)s drop 17

Each command has --help. See also docs/dead-letters.md."""

HEAD = (
    *("id", "time", "backend", "event or record"),
    *("reason", "status", "attempts", "bytes"),
)
MOST_IDS_SHOWN = 20


class UnknownError(ExporterError):
    """There is no such dead letter."""

    def __init__(self, ids: list[int]) -> None:
        super().__init__(
            f"There is no dead letter {named(ids)}",
            remedy="It may have been retried or dropped: `dead-letters list` shows "
            "the ones that are left",
        )


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
    listing.add_argument(
        "--limit",
        type=whole_number,
        default=100,
        help="show the newest LIMIT (default: 100)",
    )
    _add_filters(listing)
    _add_ids(add_command(under, "show", show), nargs=1)
    retrying = add_command(under, "retry", _retry)
    _add_ids(retrying, nargs="*")
    retrying.add_argument("--all", action="store_true", help="instead of ids")
    _add_filters(retrying, "with --all: ")
    retrying.set_defaults(usage_error=retrying.error)
    _add_ids(add_command(under, "drop", drop), nargs="+")
    exporting = add_command(under, "export", export, json=False)
    exporting.add_argument(
        "file", metavar="FILE", help="a new file, or - for standard output"
    )
    _add_filters(exporting)


def _add_ids(command: argparse.ArgumentParser, nargs: str | int) -> None:
    command.add_argument(
        "ids", type=whole_number, nargs=nargs, metavar="ID", help="as `list` shows it"
    )


def _add_filters(command: argparse.ArgumentParser, when: str = "") -> None:
    for option, kind, what in (
        ("--backend", value_of(ID), "of this backend"),
        ("--status", whole_number, "with this status"),
    ):
        command.add_argument(option, type=kind, help=f"{when}only {what}")


@command
async def list_(port: AdminPort, args: Namespace) -> int:
    """List dead letters, the newest last."""
    found: list[Letter] = []
    async for letter in letters(port, args, order="newest", body="false"):
        if len(found) == args.limit:
            say(f"These are the newest {args.limit}: use --limit or export to see more")
            break
        found.append(letter)
    found.reverse()
    if args.json:
        print(as_json(found))
    elif found:
        print(table(HEAD, [_row(letter) for letter in found]))
    if not found:
        whose = f" of {args.backend}" if args.backend else ""
        about = f" with status {args.status}" if args.status else ""
        say(f"There are no dead letters{whose}{about}")
    return 0


def _row(letter: Letter) -> tuple[object, ...]:
    return (
        letter["id"],
        local_time(letter["time"]),
        letter["backend"],
        name_of(letter),
        letter["reason"],
        letter["status"],
        letter["attempts"] or None,
        letter["bytes"],
    )


def name_of(letter: Letter) -> str:
    """Return the identity of the event, or else the broker's name for the record."""
    if letter["event"]:
        return str(letter["event"])
    record = letter["record"] or ""
    try:
        ((_, about),) = json.loads(record).items()
        parts = (str(about["_index"]), str(about["_id"]))
        return "/".join(filter(None, parts)) or "(unnamed)"
    except (ValueError, AttributeError, KeyError, TypeError):
        return record or "(unnamed)"


@command
async def show(port: AdminPort, args: Namespace) -> int:
    """Show all details of a dead letter, with the backend's answer and the event."""
    page = await port.get(PATH, ids=args.ids[0])
    if not page["dead_letters"]:
        raise UnknownError(args.ids)
    (letter,) = page["dead_letters"]
    if args.json:
        print(as_json(letter))
        return 0
    answer, body = letter.pop("answer"), letter.pop("body")
    form = letter.pop("body_form")
    letter["time"] = f"{local_time(letter['time'])} local time, {letter['time']}"
    facts = {name: value for name, value in letter.items() if value is not None}
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}} {printable(str(value))}")
    if answer:
        print(f"\nthe start of the backend's answer:\n{_answer(answer)}")
    kind = "the event" if letter["event"] else "the record, which never was an event"
    if form == "json":
        print(f"\n{kind}:\n{pretty(body)}")
    else:
        print(f"\n{kind} (not JSON: {form}):\n{paragraphs(body)}")
    return 0


def _answer(text: str) -> str:
    try:
        return pretty(codec.decode(text.encode()))
    except ValueError:
        return paragraphs(text)


def _retry(args: Namespace) -> int:
    """Send dead letters again, each once, after the waiting events of its instance."""
    if args.all == bool(args.ids):
        args.usage_error("give either ids or --all")
    if (args.backend or args.status) and not args.all:
        args.usage_error("--backend and --status need --all")
    return retry(args)


@command
async def retry(port: AdminPort, args: Namespace) -> int:
    """Send dead letters again, and report those that can't be retried."""
    filters = {"backend": args.backend, "status": args.status}
    chosen = {name: value for name, value in filters.items() if value is not None}
    done = await _handle(port, "retry", args.ids or None, **chosen)
    count, left, some = done["retried"], done["never_events"], done["never_event_ids"]
    print(as_json(done) if args.json else count)
    when = "" if port.is_of_service else " once the service runs"
    say(f"{counted(count)} will be delivered again{when}")
    if left:
        more = f" and {left - len(some)} more" if left > len(some) else ""
        say(
            f"{counted(left)} can't be retried: {named(some)}{more} never became an "
            "event. `dead-letters export` writes them to a file"
        )
    if of_no_backend := done["of_no_backend"]:
        say(
            f"{counted(of_no_backend)} can't be retried, because their backend isn't "
            "configured any more: see `backends`"
        )
    if done["unknown"]:
        raise UnknownError(done["unknown"])
    return 0 if args.all else int(left + of_no_backend > 0)


@command
async def drop(port: AdminPort, args: Namespace) -> int:
    """Delete dead letters for good; export them first if you may need them."""
    done = await _handle(port, "drop", args.ids)
    print(as_json(done) if args.json else done["dropped"])
    say(f"{counted(done['dropped'])} dropped for good")
    if done["unknown"]:
        raise UnknownError(done["unknown"])
    return 0


async def _handle(
    port: AdminPort, verb: str, ids: list[int] | None, **filters: object
) -> dict[str, Any]:
    """Send *ids* in as many requests as needed, and add up the answers."""
    total: dict[str, Any] = {}
    for start in range(0, max(len(ids or ()), 1), MOST_IDS):
        asked = {"ids": ids and ids[start : start + MOST_IDS], **filters}
        answer = await port.post(f"{PATH}/{verb}", asked)
        for name, part in answer.items():
            total[name] = total[name] + part if name in total else part
    return total


def named(ids: list[int]) -> str:
    """Join *ids* for a sentence; a long list is cut."""
    more = f" and {len(ids) - MOST_IDS_SHOWN} more"
    shown = ", ".join(map(str, ids[:MOST_IDS_SHOWN]))
    return shown + (more if len(ids) > MOST_IDS_SHOWN else "")
