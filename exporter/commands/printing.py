"""
Text that is safe to print: no control characters, wherever the text comes from.

Pure, except for `say`.
"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime


def say(text: str) -> None:
    """Print *text* for people, apart from the result on stdout."""
    print(printable(text), file=sys.stderr, flush=True)


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


def plural(number: int, noun: str) -> str:
    """Return *noun* in the form that follows *number*."""
    return noun if number == 1 else f"{noun}s"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return aligned lines; columns of numbers are aligned to the right."""
    columns = []
    for cells in zip(head, *rows, strict=True):
        texts = ["" if cell is None else printable(str(cell)) for cell in cells]
        width = max(map(len, texts))
        has_numbers = all(isinstance(cell, int | None) for cell in cells[1:])
        align = str.rjust if has_numbers else str.ljust
        columns.append([align(text, width) for text in texts])
    lines = zip(*columns, strict=True)
    return "\n".join("  ".join(line).rstrip() for line in lines)
