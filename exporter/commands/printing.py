"""
What a terminal is given: never a control character, whoever wrote it.

Pure, but for the width of the terminal, which is passed in.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

NARROWEST = 12
"""No column is cut to fewer characters."""


def printable(text: str) -> str:
    """Return *text* with everything but visible characters and spaces as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def paragraphs(text: str) -> str:
    """Return *text* fit to be printed, line by line."""
    return "\n".join(printable(line.removesuffix("\r")) for line in text.split("\n"))


def as_json(value: object, indent: int | None = 2) -> str:
    """Return *value* as JSON in plain ASCII: any other character is an escape."""
    return json.dumps(value, indent=indent)


def pretty(value: object) -> str:
    """Return *value* as JSON for people: letters of all scripts stay as they are."""
    return paragraphs(json.dumps(value, indent=2, ensure_ascii=False))


def local_time(text: str) -> str:
    """Return the ISO time *text* as the clock of this machine shows it."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def name_of(letter: dict[str, Any]) -> str:
    """Return the identity of the event, else what the broker called the record."""
    if letter["event"]:
        return str(letter["event"])
    record = letter["record"] or ""
    try:
        ((_, about),) = json.loads(record).items()
        parts = (str(about["_index"]), str(about["_id"]))
        return "/".join(filter(None, parts)) or "(unnamed)"
    except (ValueError, AttributeError, KeyError, TypeError):
        return record or "(unnamed)"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: frozenset[str],
    width: int | None = None,
    elastic: str = "",
) -> list[str]:
    """
    Return aligned lines, the columns named in *right* to the right.

    On a terminal *width* is known: then the head is underlined, and the column
    *elastic* cut so that a line fits, if that is possible.
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


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
