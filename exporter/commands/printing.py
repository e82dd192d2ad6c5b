"""
Text that is safe to print: no control characters, wherever the text comes from.

Pure, except for `say`.
"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

NARROWEST = 12
"""No column is cut to fewer characters."""


def say(text: str) -> None:
    """Print *text* for people, apart from the result on stdout."""
    print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Replace everything except visible characters and spaces by escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def paragraphs(text: str) -> str:
    """Make *text* printable, line by line."""
    return "\n".join(printable(line.removesuffix("\r")) for line in text.split("\n"))


def as_json(value: object, indent: int | None = 2) -> str:
    """Return *value* as JSON in plain ASCII: any other character is an escape."""
    return json.dumps(value, indent=indent)


def pretty(value: object) -> str:
    """Return *value* as JSON for people: letters of all scripts stay as they are."""
    return paragraphs(json.dumps(value, indent=2, ensure_ascii=False))


def local_time(text: str) -> str:
    """Return the ISO time *text* in the time zone of this machine."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: frozenset[str],
    width: int | None = None,
    elastic: str = "",
) -> list[str]:
    """
    Return aligned lines; the columns in *right* are aligned to the right.

    If *width* is given, the head is underlined, and the column *elastic* is cut to make
    the lines fit.
    """
    texts = [["" if cell is None else printable(str(cell)) for cell in r] for r in rows]
    columns = list(zip(head, *texts, strict=True))
    widths = [max(map(len, column)) for column in columns]
    if width:
        number = head.index(elastic)
        excess = sum(widths) + 2 * (len(widths) - 1) - width
        if excess > 0:
            widths[number] = max(widths[number] - excess, NARROWEST)
            for row in texts:
                row[number] = _cut(row[number], widths[number])
        texts.insert(0, ["-" * each for each in widths])
    return [
        "  ".join(
            cell.rjust(size) if name in right else cell.ljust(size)
            for name, cell, size in zip(head, row, widths, strict=True)
        ).rstrip()
        for row in [list(head), *texts]
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
