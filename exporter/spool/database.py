"""
Open the database file, create its schema, and write many rows in few statements.

There is one connection, in exclusive mode before WAL mode. With two connections, SQLite
before 3.51.3 can corrupt a database when it resets the log (sqlite.org/wal.html).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from exporter.spool.errors import SpoolUnusableError, SpoolVersionError

CACHE_KIB = 8 * 1024
CHECKPOINT_PAGES = 1000

VERSION = 5
"""The schema's version. Nothing was released yet, so there are no migrations."""

LARGEST_STATEMENT = 64
"""Rows in one statement, at most."""
AMONG = "IN (SELECT value FROM json_each(?))"

SCHEMA = """
    CREATE TABLE event (                  -- one backend's accepted, unsettled event
        sequence  INTEGER PRIMARY KEY,    -- the order of acceptance: see waiting.py
        backend   TEXT    NOT NULL,
        partition INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        instance  INTEGER NOT NULL,
        body      BLOB    NOT NULL,
        kind      TEXT    NOT NULL,
        broker    TEXT    NOT NULL,       -- the broker's version
        tenant    TEXT    NOT NULL        -- the physical tenant
    );
    CREATE TABLE dead_letter (            -- not delivered, kept with the reason
        sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
        backend   TEXT,                   -- NULL for an unreadable record
        created   INTEGER NOT NULL,       -- milliseconds since 1970
        reason    TEXT    NOT NULL,
        action    TEXT    NOT NULL,       -- an unreadable record's bulk item
        body      BLOB    NOT NULL,
        digest    BLOB UNIQUE,            -- detects repeats of unreadable records
        -- The fields of an event, to send it again.
        partition INTEGER,
        position  INTEGER,
        timestamp INTEGER,
        key       INTEGER,
        instance  INTEGER,
        kind      TEXT,
        broker    TEXT,
        tenant    TEXT,
        status    INTEGER,                -- the status of the last answer
        answer    TEXT    NOT NULL DEFAULT '',
        attempts  INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE held (                   -- counters, so that opening reads no rows
        what      TEXT    NOT NULL,       -- the name of the counted table
        backend   TEXT    NOT NULL,       -- '' for unreadable records
        rows      INTEGER NOT NULL,
        bytes     INTEGER NOT NULL,       -- the total size of the bodies
        PRIMARY KEY (what, backend)
    ) WITHOUT ROWID;
    INSERT INTO held VALUES ('event', 'default', 0, 0), ('dead_letter', '', 0, 0);
    CREATE TABLE identity (               -- accepted events, ordered by time
        tenant    TEXT    NOT NULL,
        partition INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        PRIMARY KEY (tenant, partition, timestamp, position, key)
    ) WITHOUT ROWID;
    CREATE TABLE known (                  -- open tasks a backend knows: see known.py
        tenant    TEXT    NOT NULL,
        key       INTEGER NOT NULL,
        backend   TEXT    NOT NULL,
        PRIMARY KEY (tenant, key, backend)
    ) WITHOUT ROWID;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """
    Return a connection to the file at *path*, with tables; the caller closes it.

    Any thread may use it, but only one at a time. Raises `SpoolVersionError` and
    `SpoolUnusableError`.
    """
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.Error as error:
        raise SpoolUnusableError(path, error) from error
    try:
        _prepare(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise SpoolUnusableError(path, error) from error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    check_version(path, version)
    if not version:
        create(connection)


def check_version(path: Path, version: int) -> None:
    """Raise `SpoolVersionError` if *version* is neither 0 (a new file) nor ours."""
    if version not in (0, VERSION):
        raise SpoolVersionError(path, version, known=VERSION)


def create(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file."""
    connection.executescript(
        f"BEGIN; {SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT"
    )


def is_damage(error: BaseException) -> bool:
    """Whether *error* means damaged content, and not a failing disk."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary error code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# `sqlite3` releases the interpreter lock around every step of a statement. Getting the
# lock back from a busy event loop can take 5 ms, so rows are written many at a time.
def insert(
    connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert *rows*; *into* is the statement up to VALUES."""
    for places, values in in_chunks(rows):
        connection.execute(f"{into} VALUES {places}", values)


def in_chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield placeholders and their values for *rows*, in chunks of few sizes."""
    # Few sizes mean few statement texts, which keeps SQLite's statement cache small.
    start, size = 0, LARGEST_STATEMENT
    while start < len(rows):
        if size > len(rows) - start:
            size //= 2
            continue
        row = f"({','.join('?' * len(rows[start]))})"
        values = chain.from_iterable(rows[start : start + size])
        yield ",".join([row] * size), tuple(values)
        start += size


def json_list(numbers: Iterable[int]) -> str:
    """Return *numbers* as the parameter of `AMONG`."""
    return f"[{','.join(map(str, numbers))}]"
