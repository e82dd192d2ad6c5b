"""
Many rows in few statements.

`sqlite3` gives the interpreter lock away around every step of a statement, and taking
it back while the event loop is busy can cost 5 ms. So rows go in and numbers go along
by the dozen, with few different texts, which keeps the statement cache small.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

LARGEST = 64


def insert(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    new: bool = False,
) -> list[tuple[Any, ...]]:
    """
    Insert *rows*, each with a value for every one of *columns*.

    Only those that aren't there yet if they must be *new*, and returns these.
    """
    names, row = ",".join(columns), f"({','.join('?' * len(columns))})"
    into = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608
    then = f" ON CONFLICT DO NOTHING RETURNING {names}" if new else ""
    inserted: list[tuple[Any, ...]] = []
    start, size = 0, LARGEST
    while start < len(rows):
        if size > len(rows) - start:
            size //= 2
            continue
        values = chain.from_iterable(rows[start : start + size])
        statement = into + ",".join([row] * size) + then
        inserted += connection.execute(statement, tuple(values))
        start += size
    return inserted


def numbers(values: Iterable[int]) -> str:
    """Return the parameter for `IN (SELECT value FROM json_each(?))`."""
    return f"[{','.join(map(str, values))}]"
