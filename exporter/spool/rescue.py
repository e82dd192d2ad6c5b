"""
Copy the readable rows of a damaged file into a new file.

SQLite stops at a damaged page, so reading continues at the next readable key. The first
page holds the schema and is the same in every file: it's replaced in a copy of the
damaged file. Totals are counted again.
"""

import shutil
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from exporter.spool.database import create, is_damage
from exporter.spool.waiting import RANGE

END = 1 << 62
"""All sequences are below this."""
STEPS = 256
"""After a damaged page, steps grow by one up to this length, and then double."""
COUNT = """
    SELECT 'event', backend, count(*), sum(length(body)) FROM event GROUP BY backend
    UNION ALL
    SELECT 'dead_letter', ifnull(backend, '') AS of, count(*), sum(length(body))
    FROM dead_letter GROUP BY of
"""
RANGES = """
    SELECT backend, sequence / ? AS number FROM event
    GROUP BY backend, number ORDER BY count(*) DESC
"""
DELETE_STRAYED = "DELETE FROM event WHERE backend = ? AND sequence / ? = ?"

Row = tuple[Any, ...]


class DamageError(Exception):
    """A page can't be read."""


def rescue(damaged: Path, new: Path) -> int | None:
    """
    Copy the readable rows of *damaged* into the *new* file.

    Returns the number of missing events and dead letters, or None if it's unknown.
    Reads a temporary copy of *damaged*. Raises `OSError` and `sqlite3.Error`.
    """
    copy, log, shm = (
        damaged.with_name(f"{damaged.name}.copy{suffix}")
        for suffix in ("", "-wal", "-shm")
    )
    try:
        shutil.copyfile(damaged, copy)
        log.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(damaged.with_name(f"{damaged.name}-wal"), log)
        with closing(create(new)) as into:
            with copy.open("r+b") as file:
                file.write(_first_page(new.read_bytes()))
            with closing(sqlite3.connect(copy, isolation_level=None)) as source:
                source.text_factory = _text
                source.execute("PRAGMA cell_size_check = ON")
                return _fill(into, source)
    finally:
        for name in (copy, log, shm):
            name.unlink(missing_ok=True)


def _first_page(empty: bytes) -> bytes:
    """Return the first page of an *empty* spool, changed to fit any file."""
    page = bytearray(empty[: int.from_bytes(empty[16:18], "big")])
    page[18:20] = b"\2\2"  # the file may have a write-ahead log
    page[24:28] = b"\0\0\0\1"  # invalidates the page count: SQLite uses the file's size
    page[92:96] = b"\0\0\0\0"
    return bytes(page)


def _fill(into: sqlite3.Connection, source: sqlite3.Connection) -> int | None:
    into.execute("BEGIN")
    for table in ("event", "dead_letter", "known"):
        _copy(into, source, table)
    _delete_strayed(into)
    counted = into.execute(COUNT).fetchall()
    into.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", counted)
    found = {(what, backend): rows for what, backend, rows, _ in counted}
    held = _rows(source, _select(into, "held"))
    before = {(what, backend): rows for what, backend, rows, _ in held}
    missing = None
    if before and before.keys() >= found.keys():
        missing = sum(max(0, before[each] - found.get(each, 0)) for each in before)
    # The broker may send missing events again, which must not be taken for repeats.
    if missing == 0:
        _copy(into, source, "identity")
    into.execute("COMMIT")
    return missing


def _delete_strayed(into: sqlite3.Connection) -> None:
    """Delete rows outside of their backend's range; their key or name was damaged."""
    ranges: dict[str, int] = {}
    for backend, number in into.execute(RANGES, (RANGE,)).fetchall():
        if backend in ranges or number in ranges.values():
            into.execute(DELETE_STRAYED, (backend, RANGE, number))
        else:
            ranges[backend] = number


def _copy(into: sqlite3.Connection, source: sqlite3.Connection, table: str) -> None:
    columns = into.execute(f"PRAGMA table_info({table})").fetchall()
    read = _rows_by_sequence if columns[0][1] == "sequence" else _rows
    places = ", ".join("?" * len(columns))
    into.executemany(
        f"INSERT OR IGNORE INTO {table} VALUES ({places})",  # noqa: S608
        read(source, _select(into, table)),
    )


def _rows(source: sqlite3.Connection, query: str) -> Iterator[Row]:
    """Yield the rows of *query*, in the order of their keys, up to the first damage."""
    before: Row = ()
    with suppress(DamageError):
        for row in _read(source, query):
            if row <= before:
                return  # damaged links between pages lead back
            before = row
            yield row


def _select(into: sqlite3.Connection, table: str) -> str:
    """Return a query for the rows of *table* whose values have the right types."""
    conditions = []
    for _, name, kind, required, _, key in into.execute(f"PRAGMA table_info({table})"):
        types = f"'{kind.lower()}'" if required or key else f"'{kind.lower()}', 'null'"
        conditions.append(f"typeof({name}) IN ({types})")
        if name == "tenant":  # it's sent in a header
            conditions.append("ifnull(tenant, '') NOT GLOB '*[^A-Za-z0-9._~%-]*'")
            # `length` stops at a zero byte: the end of a row may be missing.
            conditions.append("ifnull(length(tenant) = length(hex(tenant)) / 2, 1)")
    return f"SELECT * FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _rows_by_sequence(source: sqlite3.Connection, query: str) -> Iterator[Row]:
    """Yield the rows of *query* outside of damaged pages, some of them twice."""
    # The plus sign makes SQLite check every row: the order of keys may be damaged, too.
    valid = f"{query} AND +sequence BETWEEN 1 AND {END - 1}"
    rest = f"{valid} AND sequence >= ? ORDER BY sequence"
    first = f"{rest} LIMIT 1"

    def is_readable(start: int) -> bool:
        try:
            row = next(_read(source, first, start), None)
        except DamageError:
            return False
        return row is None or row[0] >= start

    start, step = 1, 1
    while start < END:
        last = start - 1
        try:
            # A cursor reads one row ahead. With a query of its own, the last row before
            # a damaged page can be read.
            for row in chain(_read(source, first, start), _read(source, rest, start)):
                # Damaged links between pages may lead back, or even in circles.
                if row[0] < max(last, start):
                    raise DamageError  # noqa: TRY301
                last = row[0]
                yield row
        except DamageError:
            # Where not one row can be read, larger steps lead out of the damage.
            step = 1 if last >= start else 2 * step
            damaged, jump = max(last, start - 1), step
            while damaged + jump < END and not is_readable(damaged + jump):
                damaged += jump
                jump += 1 if jump < STEPS else jump
            end = min(damaged + jump, END)
            start = bisect_left(range(END), 1, damaged + 1, end, key=is_readable)
        else:
            return


def _read(source: sqlite3.Connection, query: str, *values: int) -> Iterator[Row]:
    """Yield the rows of *query*; raise `DamageError` at a damaged page."""
    try:
        yield from source.execute(query, values)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise DamageError from error
        raise


def _text(raw: bytes) -> str | None:
    """Return *raw* as text, or None for invalid text, which no text column allows."""
    with suppress(UnicodeDecodeError):
        return raw.decode()
    return None
