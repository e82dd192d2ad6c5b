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
) -> None:
    """Insert *rows*, each with a value for every one of *columns*."""
    row = f"({','.join('?' * len(columns))})"
    into = f"INSERT INTO {table} ({','.join(columns)}) VALUES "  # noqa: S608
    start, size = 0, LARGEST
    while start < len(rows):
        if size > len(rows) - start:
            size //= 2
            continue
        values = chain.from_iterable(rows[start : start + size])
        connection.execute(into + ",".join([row] * size), tuple(values))
        start += size


def numbers(values: Iterable[int]) -> str:
    """Return the parameter for `IN (SELECT value FROM json_each(?))`."""
    return f"[{','.join(map(str, values))}]"
