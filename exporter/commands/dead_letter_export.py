"""`dead-letters export`: every detail of the dead letters, in a file."""

import os
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from exporter.admin.dead_letters import MOST_LETTERS, PATH
from exporter.base.errors import ExporterError
from exporter.commands.client import AdminPort, command
from exporter.commands.printing import as_json, printable, say

Letter = dict[str, Any]


class ExportError(ExporterError):
    """The file can't be written."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(
            f"{printable(name)} can't be written: {error.strerror}",
            remedy="Name a new file in a directory with enough room where this user "
            "may write; existing files are never overwritten",
        )


@command
async def export(port: AdminPort, args: Namespace) -> int:
    """Write dead letters to a file with all details, one JSON object a line."""
    count = 0
    with target(args.file) as file:
        async for page in pages(port, args, MOST_LETTERS):
            for letter in page:
                file.write(as_json(letter, indent=None) + "\n")
            count += len(page)
    if args.file != "-":
        print(count)
    say(f"{counted(count)} exported, and still in the spool")
    return 0


async def pages(
    port: AdminPort, args: Namespace, limit: int, **query: object
) -> AsyncIterator[list[Letter]]:
    """Yield the dead letters that *args* select, at most *limit* in a page."""
    query |= {"backend": args.backend, "status": args.status}
    query["limit"] = min(limit, MOST_LETTERS)
    following = "before" if query.get("order") == "newest" else "after"
    while True:
        page = await port.get(PATH, **query)
        yield page["dead_letters"]
        if page["next"] is None:
            return
        query[following] = page["next"]


@contextmanager
def target(name: str) -> Iterator[TextIO]:
    """
    Open a new file that only this user can read, or stdout for `-`.

    After the block the file is on disk, because its dead letters may be dropped then.
    If the block fails, the file is removed.
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


def counted(count: int) -> str:
    """Return "1 dead letter", "2 dead letters" and so on."""
    return f"{count} dead letter" + "s" * (count != 1)
