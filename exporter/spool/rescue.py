"""
Read the rows of a damaged file with SQLite, and put them into a new one.

SQLite stops at a damaged page. So reading goes on at the next key that can be read. The
first page holds the schema, which is always the same: a copy of the file gets a sound
one. Totals are counted again.
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
"""How many keys behind a damaged page are tried one by one, before larger steps."""
END = 1 << 62
"""No sequence is as high as this."""
TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
TENANT = re.compile(r"[A-Za-z0-9._~%-]+")

Row = tuple[Any, ...]
Column = tuple[str, type, bool]
"""A name, a type, and whether it may be NULL."""
Totals = dict[tuple[str, str], int]
"""Rows by table and backend."""


class DamageError(Exception):
    """A page can't be read."""


# A row whose key or backend is garbage would hide the other rows of its backend.
STRAYED = """
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
COUNTED = """
    SELECT 'event' AS what, backend, count(*), sum(length(body)) FROM event
    GROUP BY backend
    UNION ALL
    SELECT 'dead_letter', coalesce(backend, '') AS backend, count(*), sum(length(body))
    FROM dead_letter GROUP BY coalesce(backend, '')
"""
# The broker may still have an event that a backend lost: its repeat must be accepted.
# So an identity is kept only if the event still waits for every backend that lost some.
WAITING = """
    INSERT OR IGNORE INTO identity
        SELECT tenant, partition, timestamp, position, event.key FROM event
        LEFT JOIN json_each(?1) AS lost ON lost.value = event.backend
        GROUP BY tenant, partition, timestamp, position, event.key
        HAVING count(DISTINCT lost.value) = json_array_length(?1)
"""


def rescue(damaged: Path, into: sqlite3.Connection, empty: bytes) -> int | None:
    """
    Copy the readable rows of *damaged* *into* a new file, which looks like *empty*.

    A copy of *damaged* is read, beside it, and removed. Returns how many events and
    dead letters are missing, or None if the file doesn't tell. Raises
    `SpoolVersionError`, `OSError` and `sqlite3.Error`.
    """
    copy = damaged.with_name(f"{damaged.name}.copy")
    names = [copy, copy.with_name(f"{copy.name}-wal")]
    (size,) = into.execute("PRAGMA page_size").fetchone()
    try:
        _copy(damaged, names, _first_page(empty[:size]))
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
        for name in (*names, copy.with_name(f"{copy.name}-shm")):
            name.unlink(missing_ok=True)


def _copy(damaged: Path, names: list[Path], first_page: bytes) -> None:
    with damaged.open("rb") as file:
        head = file.read(64)
    if head.startswith(MAGIC):
        check_version(damaged, int.from_bytes(head[60:64], "big"))
    shutil.copyfile(damaged, names[0])
    log = damaged.with_name(f"{damaged.name}-wal")
    names[1].unlink(missing_ok=True)
    if log.exists():
        shutil.copyfile(log, names[1])
    with names[0].open("r+b") as file:
        file.write(first_page)


def _first_page(empty: bytes) -> bytes:
    """Return the first page of an *empty* spool, made fit for a file of any size."""
    page = bytearray(empty)
    page[18:20] = b"\2\2"  # a write-ahead log may lie beside the file
    page[24:28] = b"\0\0\0\1"  # the size in this page is outdated: the file's counts
    page[92:96] = b"\0\0\0\0"
    return bytes(page)


def _fill(into: sqlite3.Connection, file: sqlite3.Connection) -> int | None:
    for table in TABLES:
        _insert(into, table, _rows_by_sequence(file, table))
    into.execute(STRAYED, (RANGE,))
    told: Totals = {
        (what, backend): rows
        for what, backend, rows, _ in _checked(
            _columns(into, "held"), _rows(file, "held")
        )
    }
    counted = into.execute(COUNTED).fetchall()
    found: Totals = {(what, backend): rows for what, backend, rows, _ in counted}
    lost = [
        backend
        for what, backend in sorted({*told, *found})
        if what == "event"
        and told.get((what, backend)) != found.get((what, backend), 0)
    ]
    _insert(into, "known", _rows(file, "known"))
    if told and not lost:
        _insert(into, "identity", _rows(file, "identity"))
    into.execute(WAITING, (json.dumps(lost),))
    into.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", counted)
    if not told:
        return None
    return sum(max(0, _rows_of(x, told) - _rows_of(x, found)) for x in TABLES)


def _rows_of(table: str, totals: Totals) -> int:
    return sum(rows for (what, _), rows in totals.items() if what == table)


def _insert(into: sqlite3.Connection, table: str, rows: Iterator[Row]) -> None:
    columns = _columns(into, table)
    places = ", ".join("?" * len(columns))
    into.executemany(
        f"INSERT OR IGNORE INTO {table} VALUES ({places})",  # noqa: S608 - ours
        _checked(columns, rows),
    )


def _checked(columns: list[Column], rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the *rows* that a sound table of these *columns* could hold."""
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
            and (tenant is None or TENANT.fullmatch(tenant))  # it becomes a header
        ):
            yield row


def _columns(into: sqlite3.Connection, table: str) -> list[Column]:
    return [
        (name, TYPES[kind], not (required or key))
        for _, name, kind, required, _, key in into.execute(
            f"PRAGMA table_info({table})"
        )
    ]


def _rows(file: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Yield the rows of *table* up to the first damaged page."""
    with suppress(DamageError):
        yield from _read(file, f"SELECT * FROM {table}")  # noqa: S608 - ours


def _rows_by_sequence(file: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Yield the rows of *table*, except those on damaged pages; some come twice."""
    start: int | None = 1
    step = 1
    while start is not None:
        last = start - 1
        # A cursor reads one row ahead: the last one before damage comes only by itself.
        first, rest = FIRST.format(table), FROM.format(table)
        try:
            for row in chain(_read(file, first, start), _read(file, rest, start)):
                last = row[0] if row[0] < END else last
                yield row
        except DamageError:
            # Where pages lead to each other wrongly, reading may get nowhere.
            step = 1 if last >= start else 2 * step
            start = _readable_from(file, table, max(last, start - 1), step)
        else:
            return


def _readable_from(
    file: sqlite3.Connection, table: str, damaged: int, step: int
) -> int | None:
    """Return the first sequence, *step* after *damaged* or more, behind the damage."""
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
    """Yield what *query* finds; raise `DamageError` where it finds a damaged page."""
    try:
        yield from file.execute(query, values)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise DamageError from error
        raise


def _text(raw: bytes) -> str | None:
    """Return *raw* as text; None for garbage, which no column of ours takes."""
    with suppress(UnicodeDecodeError):
        return raw.decode()
    return None
