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
from exporter.commands.printing import as_json, say

Letter = dict[str, Any]


class ExportError(ExporterError):
    """The file can't be written."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(
            f"{name} can't be written: {error.strerror}",
            remedy="Name a new file in a directory with enough room where this user "
            "may write; existing files are never overwritten",
        )


@command
async def export(port: AdminPort, args: Namespace) -> int:
    """Write dead letters to a file with all details, one JSON object a line."""
    count = 0
    with target(args.file) as file:
        async for letter in letters(port, args):
            file.write(as_json(letter, indent=None) + "\n")
            count += 1
    if args.file != "-":
        print(count)
    say(f"{counted(count)} exported, and still in the spool")
    return 0


async def letters(
    port: AdminPort, args: Namespace, **query: object
) -> AsyncIterator[Letter]:
    """Yield the dead letters that *args* select, in the order of *query*."""
    following = "before" if query.get("order") == "newest" else "after"
    query |= {"backend": args.backend, "status": args.status, "limit": MOST_LETTERS}
    while True:
        page = await port.get(PATH, **query)
        for letter in page["dead_letters"]:
            yield letter
        if page["next"] is None:
            return
        query[following] = page["next"]


@contextmanager
def target(name: str) -> Iterator[TextIO]:
    """
    Open a new file, or stdout for `-`; remove the file if the block fails.

    After the block the file is on disk, because its dead letters may be dropped then.
    """
    if name == "-":
        yield sys.stdout
        return
    try:
        with open(name, "x", encoding="ascii") as file:  # noqa: PTH123
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                Path(name).unlink()
                raise
    except OSError as error:
        raise ExportError(name, error) from error


def counted(count: int) -> str:
    """Return "1 dead letter", "2 dead letters" and so on."""
    return f"{count} dead letter" + "s" * (count != 1)
