"""
Copy the readable rows of a damaged file into a new file.

SQLite stops at a damaged page, so reading continues at the next readable key. The first
page holds the schema and is the same in every file: it's replaced in a copy of the
damaged file. Totals are counted again.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from exporter.spool.database import check_version, is_damage
from exporter.spool.waiting import RANGE

MAGIC = b"SQLite format 3\0"
TABLES = ("event", "dead_letter")
FROM = "SELECT * FROM {} WHERE sequence >= ? ORDER BY sequence"
FIRST = f"{FROM} LIMIT 1"
STEPS = 256
"""After a damaged page, steps grow by one up to this length, and then double."""
END = 1 << 62
"""All sequences are below this."""
TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
TENANT = re.compile(r"[A-Za-z0-9._~%-]+")

Row = tuple[Any, ...]
Column = tuple[str, type, bool]
"""The name, the type, and whether NULL is allowed."""
Totals = dict[tuple[str, str], int]
"""Rows by table and backend."""


class DamageError(Exception):
    """A page can't be read."""


# A row with a damaged key or backend would hide the other rows of its backend.
DELETE_STRAYED = """
    DELETE FROM event WHERE (backend, sequence / ?1) NOT IN (
        SELECT backend, number FROM (
            SELECT backend, sequence / ?1 AS number,
                row_number() OVER (PARTITION BY backend ORDER BY count(*) DESC) AS one,
                row_number() OVER (PARTITION BY sequence / ?1 ORDER BY count(*) DESC)
                    AS other
            FROM event GROUP BY backend, number
        ) WHERE one = 1 AND other = 1
    )
"""
COUNT = """
    SELECT 'event' AS what, backend, count(*), sum(length(body)) FROM event
    GROUP BY backend
    UNION ALL
    SELECT 'dead_letter', coalesce(backend, '') AS backend, count(*), sum(length(body))
    FROM dead_letter GROUP BY coalesce(backend, '')
"""
# If any backend lost rows, its events must be accepted again when the broker resends
# them. So an identity is kept only if its event waits for every backend that lost rows.
INSERT_WAITING = """
    INSERT OR IGNORE INTO identity
        SELECT tenant, partition, timestamp, position, event.key FROM event
        LEFT JOIN json_each(?1) AS lost ON lost.value = event.backend
        GROUP BY tenant, partition, timestamp, position, event.key
        HAVING count(DISTINCT lost.value) = json_array_length(?1)
"""


def rescue(damaged: Path, into: sqlite3.Connection, empty: bytes) -> int | None:
    """
    Copy the readable rows of *damaged* *into* a new file, whose content is *empty*.

    Returns the number of missing events and dead letters, or None if it's unknown.
    Reads a temporary copy of *damaged*. Raises `SpoolVersionError`, `OSError` and
    `sqlite3.Error`.
    """
    copy = damaged.with_name(f"{damaged.name}.copy")
    log, shm = (copy.with_name(copy.name + suffix) for suffix in ("-wal", "-shm"))
    (size,) = into.execute("PRAGMA page_size").fetchone()
    try:
        _copy(damaged, copy, log, _first_page(empty[:size]))
        with closing(sqlite3.connect(copy, isolation_level=None)) as file:
            file.text_factory = _text
            file.execute("PRAGMA cell_size_check = ON")
            (version,) = file.execute("PRAGMA user_version").fetchone()
            check_version(damaged, version)
            into.execute("BEGIN")
            missing = _fill(into, file)
            into.execute("COMMIT")
            return missing
    finally:
        for name in (copy, log, shm):
            name.unlink(missing_ok=True)


def _copy(damaged: Path, copy: Path, log: Path, first_page: bytes) -> None:
    with damaged.open("rb") as file:
        head = file.read(64)
    if head.startswith(MAGIC):
        check_version(damaged, int.from_bytes(head[60:64], "big"))
    shutil.copyfile(damaged, copy)
    log.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        shutil.copyfile(damaged.with_name(f"{damaged.name}-wal"), log)
    with copy.open("r+b") as file:
        file.write(first_page)


def _first_page(empty: bytes) -> bytes:
    """Return the first page of an *empty* spool, changed to fit any file."""
    page = bytearray(empty)
    page[18:20] = b"\2\2"  # the file may have a write-ahead log
    page[24:28] = b"\0\0\0\1"  # invalidates the page count: SQLite uses the file's size
    page[92:96] = b"\0\0\0\0"
    return bytes(page)


def _fill(into: sqlite3.Connection, file: sqlite3.Connection) -> int | None:
    for table in TABLES:
        _insert(into, table, _rows_by_sequence(file, table))
    into.execute(DELETE_STRAYED, (RANGE,))
    held = _checked(_columns(into, "held"), _rows(file, "held"))
    before: Totals = {(what, backend): rows for what, backend, rows, _ in held}
    counted = into.execute(COUNT).fetchall()
    found: Totals = {(what, backend): rows for what, backend, rows, _ in counted}
    lost = [
        backend
        for what, backend in sorted({*before, *found})
        if what == "event"
        and before.get((what, backend)) != found.get((what, backend), 0)
    ]
    _insert(into, "known", _rows(file, "known"))
    if before and not lost:
        _insert(into, "identity", _rows(file, "identity"))
    into.execute(INSERT_WAITING, (json.dumps(lost),))
    into.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", counted)
    if not before:
        return None
    return sum(max(0, _total(each, before) - _total(each, found)) for each in TABLES)


def _total(table: str, totals: Totals) -> int:
    return sum(rows for (what, _), rows in totals.items() if what == table)


def _insert(into: sqlite3.Connection, table: str, rows: Iterator[Row]) -> None:
    columns = _columns(into, table)
    places = ", ".join("?" * len(columns))
    into.executemany(
        f"INSERT OR IGNORE INTO {table} VALUES ({places})",  # noqa: S608
        _checked(columns, rows),
    )


def _checked(columns: list[Column], rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the *rows* with valid values for all *columns*."""
    names = [name for name, _, _ in columns]
    for row in rows:
        named = dict(zip(names, row, strict=True))
        tenant = named.get("tenant")
        if (
            all(
                type(value) is kind or (value is None and optional)
                for value, (_, kind, optional) in zip(row, columns, strict=True)
            )
            and 0 < named.get("sequence", 1) < END
            and (tenant is None or TENANT.fullmatch(tenant))  # it's sent in a header
        ):
            yield row


def _columns(into: sqlite3.Connection, table: str) -> list[Column]:
    rows = into.execute(f"PRAGMA table_info({table})")
    return [
        (name, TYPES[kind], not (required or key))
        for _, name, kind, required, _, key in rows
    ]


def _rows(file: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Yield the rows of *table* up to the first damaged page."""
    with suppress(DamageError):
        yield from _read(file, f"SELECT * FROM {table}")  # noqa: S608


def _rows_by_sequence(file: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Yield the rows of *table* that are not on damaged pages, some of them twice."""
    first, rest = FIRST.format(table), FROM.format(table)
    start: int | None = 1
    step = 1
    while start is not None:
        last = start - 1
        try:
            # A cursor reads one row ahead. With a query of its own, the last row before
            # a damaged page can be read.
            for row in chain(_read(file, first, start), _read(file, rest, start)):
                last = row[0] if row[0] < END else last
                yield row
        except DamageError:
            # Damaged links between pages may lead back: then the steps must grow.
            step = 1 if last >= start else 2 * step
            start = _readable_from(file, table, max(last, start - 1), step)
        else:
            return


def _readable_from(
    file: sqlite3.Connection, table: str, damaged: int, step: int
) -> int | None:
    """Return the first readable sequence at least *step* after *damaged*, or None."""
    while not _is_readable(file, table, damaged + step):
        damaged += step
        step += 1 if step < STEPS else step
        if damaged + step >= END:
            return None
    readable = damaged + step
    while readable - damaged > 1:
        middle = (readable + damaged) // 2
        if _is_readable(file, table, middle):
            readable = middle
        else:
            damaged = middle
    return readable


def _is_readable(file: sqlite3.Connection, table: str, start: int) -> bool:
    try:
        next(_read(file, FIRST.format(table), start), None)
    except DamageError:
        return False
    return True


def _read(file: sqlite3.Connection, query: str, *values: int) -> Iterator[Row]:
    """Yield the rows of *query*; raise `DamageError` at a damaged page."""
    try:
        yield from file.execute(query, values)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise DamageError from error
        raise


def _text(raw: bytes) -> str | None:
    """Return *raw* as text, or None for invalid text, which no text column allows."""
    with suppress(UnicodeDecodeError):
        return raw.decode()
    return None
