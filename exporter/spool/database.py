"""
Open the database file, create its schema, and write many rows in few statements.

There is one connection, in exclusive mode before WAL mode. With two connections, SQLite
before 3.51.3 can corrupt a database when it resets the log (sqlite.org/wal.html).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from exporter.spool.errors import SpoolVersionError

CACHE_KIB = 8 * 1024

VERSION = 7
"""The schema's version. Nothing was released yet, so there are no migrations."""

LARGEST_STATEMENT = 256
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
    -- An index for each choice: each also has the sequence, for the order of a page.
    CREATE INDEX dead_letter_backend ON dead_letter (backend);
    CREATE INDEX dead_letter_status ON dead_letter (status);
    CREATE INDEX dead_letter_both ON dead_letter (backend, status);
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
        timestamp INTEGER NOT NULL,       -- of the last one of up to a thousand ...
        position  INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        others    BLOB    NOT NULL,       -- ... and these three of each other one
        PRIMARY KEY (tenant, partition, timestamp, position, key)
    ) WITHOUT ROWID;
    CREATE TABLE known (                  -- open tasks a backend knows: see known.py
        tenant    TEXT    NOT NULL,
        key       INTEGER NOT NULL,
        backend   TEXT    NOT NULL,
        PRIMARY KEY (tenant, key, backend)
    ) WITHOUT ROWID;
"""


def create(path: Path) -> sqlite3.Connection:
    """Create an empty file at *path*, and return a connection that never syncs."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # see disk.py
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(
        f"BEGIN; {SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT"
    )
    return connection


def check_version(path: Path) -> None:
    """
    Raise `SpoolVersionError` if the file's header has another schema version.

    No spool has version 0. It is damage, so salvaging may help.
    """
    with path.open("rb") as file:
        head = file.read(64)
    version = int.from_bytes(head[60:], "big")
    if head.startswith(b"SQLite format 3\0") and version not in (0, VERSION):
        raise SpoolVersionError(path, version, known=VERSION)


@contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """
    Open a connection to the file at *path* for the block.

    Any thread may use it, but only one at a time. Raises `sqlite3.Error`.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    with closing(connection):
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Some distributions overwrite deleted rows by default, also on pages that need
        # not be written otherwise. Like this, it's the same everywhere.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        yield connection


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
