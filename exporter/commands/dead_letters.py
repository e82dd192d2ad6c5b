"""
`dead-letters`: look at what was never delivered, send it again, drop it, export it.

stdout holds only the result, so `n=$(... dead-letters retry --all)` works.
"""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from exporter.admin.dead_letters import MOST_IDS, MOST_LETTERS, PATH
from exporter.base import codec
from exporter.base.errors import ExporterError
from exporter.commands.client import AdminPort, command
from exporter.commands.printing import (
    as_json,
    local_time,
    name_of,
    paragraphs,
    pretty,
    printable,
    table,
)
from exporter.events import ONLY_BACKEND

HEAD = (
    *("id", "time", "backend", "event or record"),
    *("reason", "status", "attempts", "bytes"),
)
RIGHT = frozenset({"id", "status", "attempts", "bytes"})
MOST_SAID = 20
"""Ids in one sentence."""

Letter = dict[str, Any]


class UnknownError(ExporterError):
    """There is no such dead letter."""

    def __init__(self, ids: list[int]) -> None:
        """Name the *ids*."""
        super().__init__(
            f"There is no dead letter {named(ids)}",
            remedy="Perhaps it was sent again or dropped: `dead-letters list` shows "
            "which ones there are",
        )


class ExportError(ExporterError):
    """The file can't be written."""

    def __init__(self, name: str, error: OSError) -> None:
        """Name the file, and what the system said."""
        super().__init__(
            f"{printable(name)} can't be written: {error.strerror}",
            remedy="Give the name of a new file, with room, where this user may write: "
            "nothing is overwritten",
        )


@command
async def list_(port: AdminPort, args: Namespace) -> int:
    """List them, the newest last."""
    found = []
    async for page in pages(port, args, args.limit + 1, order="newest", body="false"):
        found += page
        if len(found) > args.limit:
            break
    shown = found[: args.limit][::-1]
    if args.json:
        print(as_json(shown))
    elif shown:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in listed(shown, width):
            print(line)
    if not shown:
        whose = f" of {printable(args.backend)}" if args.backend else ""
        about = f" with status {args.status}" if args.status else ""
        say(f"There are no dead letters{whose}{about}")
    elif len(found) > len(shown):
        say(f"These are the newest {len(shown)}: --limit shows more, export has all")
    return 0


def listed(letters: list[Letter], width: int | None) -> list[str]:
    """Return a line for each of *letters*, and the backends where they have names."""
    named = any(each["backend"] not in (None, ONLY_BACKEND) for each in letters)
    rows = [
        (
            each["id"],
            local_time(each["time"]),
            *([each["backend"]] if named else []),
            name_of(each),
            each["reason"],
            each["status"],
            each["attempts"] or None,
            each["bytes"],
        )
        for each in letters
    ]
    head = [name for name in HEAD if named or name != "backend"]
    return table(head, rows, right=RIGHT, width=width, elastic="reason")


@command
async def show(port: AdminPort, args: Namespace) -> int:
    """Show everything about one, with the backend's answer and the event."""
    page = await port.get(PATH, ids=args.id)
    if not page["dead_letters"]:
        raise UnknownError([args.id])
    (letter,) = page["dead_letters"]
    if args.json:
        print(as_json(letter))
        return 0
    apart = ("answer", "body", "body_form")
    facts = {name: value for name, value in letter.items() if name not in apart}
    facts["time"] = f"{local_time(letter['time'])} here, {letter['time']}"
    for name, value in facts.items():
        if value is not None:
            print(f"{name:10} {printable(str(value))}")
    if letter["answer"]:
        print(f"\nthe backend's answer, as far as it is kept:\n{_answer(letter)}")
    form = letter["body_form"]
    kind = "the event" if letter["event"] else "the record, which never was an event"
    body = pretty(letter["body"]) if form == "json" else paragraphs(letter["body"])
    print(f"\n{kind}{'' if form == 'json' else f' (no JSON: {form})'}:\n{body}")
    return 0


@command
async def retry(port: AdminPort, args: Namespace) -> int:
    """Send them again: each goes out once, behind what waits for its instance."""
    filters = {"backend": args.backend, "status": args.status}
    chosen = {name: value for name, value in filters.items() if value is not None}
    done = await _handle(port, "retry", None if args.all else args.ids, **chosen)
    count, left, some = done["retried"], done["never_events"], done["never_event_ids"]
    print(as_json(done) if args.json else count)
    when = "" if port.is_of_service else " once the service runs"
    say(f"{counted(count)} will be delivered again{when}")
    if left:
        more = f" and {left - len(some)} more" if left > len(some) else ""
        say(
            f"{counted(left)} can't be: {named(some)}{more} never became an event. "
            "`dead-letters export` writes them to a file"
        )
    if of_no_backend := done["of_no_backend"]:
        say(
            f"{counted(of_no_backend)} can't be: their backend isn't configured any "
            "more. `backends` decides"
        )
    if done["unknown"]:
        raise UnknownError(done["unknown"])
    return 0 if args.all else int(left + of_no_backend > 0)


@command
async def drop(port: AdminPort, args: Namespace) -> int:
    """Forget them for good; export them first if anybody may ask."""
    done = await _handle(port, "drop", args.ids)
    print(as_json(done) if args.json else done["dropped"])
    say(f"{counted(done['dropped'])} dropped for good")
    if done["unknown"]:
        raise UnknownError(done["unknown"])
    return 0


@command
async def export(port: AdminPort, args: Namespace) -> int:
    """Write all of them to a file, with everything, one JSON object a line."""
    count = 0
    with target(args.file) as file:
        async for page in pages(port, args, MOST_LETTERS):
            for letter in page:
                file.write(as_json(letter, indent=None) + "\n")
            count += len(page)
    if args.file != "-":
        print(count)
    say(f"{counted(count)} exported; they are still kept")
    return 0


async def pages(
    port: AdminPort, args: Namespace, limit: int, **query: object
) -> AsyncIterator[list[Letter]]:
    """Yield what *args* choose page by page, each of at most *limit*."""
    query |= {"backend": args.backend, "status": args.status}
    query["limit"] = min(limit, MOST_LETTERS)
    following = "before" if query.get("order") == "newest" else "after"
    while True:
        page = await port.get(PATH, **query)
        yield page["dead_letters"]
        if page["next"] is None:
            return
        query[following] = page["next"]


async def _handle(
    port: AdminPort, verb: str, ids: list[int] | None, **filters: object
) -> dict[str, Any]:
    """Return the sum of as many answers as it takes."""
    total: dict[str, Any] = {}
    for start in range(0, max(len(ids or ()), 1), MOST_IDS):
        asked = {"ids": ids and ids[start : start + MOST_IDS], **filters}
        answer = await port.post(f"{PATH}/{verb}", asked)
        for name, part in answer.items():
            total[name] = total[name] + part if name in total else part
    return total


@contextmanager
def target(name: str) -> Iterator[TextIO]:
    """
    Yield where the lines go: stdout for `-`, else a new file for this user alone.

    It is on disk behind the block, because what it holds may be dropped then; when
    the block fails there is no file.
    """
    if name == "-":
        yield sys.stdout
        return
    try:
        number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ExportError(name, error) from error
    try:
        with os.fdopen(number, "w", encoding="ascii") as file:
            yield file
            file.flush()
            os.fsync(number)
    except BaseException as error:
        Path(name).unlink()
        if isinstance(error, OSError):
            raise ExportError(name, error) from error
        raise


def _answer(letter: Letter) -> str:
    try:
        return pretty(codec.decode(letter["answer"].encode()))
    except ValueError:
        return paragraphs(letter["answer"])


def say(text: str) -> None:
    """Talk to whoever watches; the result alone is on stdout."""
    print(text, file=sys.stderr)


def counted(count: int) -> str:
    """Return how many dead letters *count* are, in words."""
    return f"{count} dead letter" + "s" * (count != 1)


def named(ids: list[int]) -> str:
    """Return *ids* for a sentence, very many of them abridged."""
    more = f" and {len(ids) - MOST_SAID} more" if len(ids) > MOST_SAID else ""
    return ", ".join(map(str, ids[:MOST_SAID])) + more
