"""
Many rows in few statements.

`sqlite3` gives the interpreter lock away around every step of a statement, and taking
it back while the event loop is busy can cost 5 ms. So rows go in and numbers go along
by the dozen, with few different texts, which keeps the statement cache small.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

LARGEST = 64
AMONG = "IN (SELECT value FROM json_each(?))"

Rows = Sequence[tuple[Any, ...]]


def insert(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Rows
) -> None:
    """Insert *rows*, each with a value for every one of *columns*."""
    into = f"INSERT INTO {table} ({','.join(columns)}) VALUES "  # noqa: S608
    for places, values in by_the_dozen(rows):
        connection.execute(into + places, values)


def by_the_dozen(rows: Rows) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield *rows* some at a time: what stands for them behind VALUES, and them."""
    start, size = 0, LARGEST
    while start < len(rows):
        if size > len(rows) - start:
            size //= 2
            continue
        row = f"({','.join('?' * len(rows[start]))})"
        values = chain.from_iterable(rows[start : start + size])
        yield ",".join([row] * size), tuple(values)
        start += size


def numbers(values: Iterable[int]) -> str:
    """Return *values* as the parameter of `AMONG`."""
    return f"[{','.join(map(str, values))}]"
