"""
The file: how it's opened, and its schema.

One connection, exclusive before WAL: with two, SQLite before 3.51.3 can corrupt a
database when it resets the log (sqlite.org/wal.html).
"""

import sqlite3
from pathlib import Path

from exporter.spool.errors import SpoolUnusableError, SpoolVersionError

CACHE_KIB = 8 * 1024
CHECKPOINT_PAGES = 1000

VERSION = 5
"""Of the schema. Nothing was released yet, so no other version is brought up to it."""

SCHEMA = """
    CREATE TABLE event (                  -- for one backend: accepted, not yet settled
        sequence  INTEGER PRIMARY KEY,    -- the order of acceptance: see waiting.py
        backend   TEXT    NOT NULL,
        partition INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        instance  INTEGER NOT NULL,
        body      BLOB    NOT NULL,
        kind      TEXT    NOT NULL,
        broker    TEXT    NOT NULL,       -- its version
        tenant    TEXT    NOT NULL        -- the physical one
    );
    CREATE TABLE dead_letter (            -- never delivered, kept with the reason
        sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
        backend   TEXT,                   -- NULL: it never became an event
        created   INTEGER NOT NULL,       -- milliseconds since 1970
        reason    TEXT    NOT NULL,
        action    TEXT    NOT NULL,       -- what the broker called it
        body      BLOB    NOT NULL,
        digest    BLOB UNIQUE,            -- tells a repeat of what has no identity
        -- Of what was an event: all that it takes to send it again.
        partition INTEGER,
        position  INTEGER,
        timestamp INTEGER,
        key       INTEGER,
        instance  INTEGER,
        kind      TEXT,
        broker    TEXT,
        tenant    TEXT,
        status    INTEGER,                -- of the last answer
        answer    TEXT    NOT NULL DEFAULT '',
        attempts  INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE held (                   -- counters, so that opening reads no rows
        what      TEXT    NOT NULL,       -- the table whose rows are counted
        backend   TEXT    NOT NULL,       -- '': it never became an event
        rows      INTEGER NOT NULL,
        bytes     INTEGER NOT NULL,       -- of their bodies
        PRIMARY KEY (what, backend)
    ) WITHOUT ROWID;
    INSERT INTO held VALUES ('event', 'default', 0, 0), ('dead_letter', '', 0, 0);
    CREATE TABLE identity (               -- what was accepted, in the order of time
        tenant    TEXT    NOT NULL,
        partition INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        PRIMARY KEY (tenant, partition, timestamp, position, key)
    ) WITHOUT ROWID;
    CREATE TABLE known (                  -- what a backend was told of: see known.py
        tenant    TEXT    NOT NULL,
        key       INTEGER NOT NULL,
        backend   TEXT    NOT NULL,
        PRIMARY KEY (tenant, key, backend)
    ) WITHOUT ROWID;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """
    Open the file at *path*, new or of this version; the caller closes it.

    The connection may be used in one thread at a time, whichever it is. Raises
    `SpoolVersionError` and `SpoolUnusableError`.
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
    """Raise `SpoolVersionError` unless the file has this *version*, or none yet."""
    if version not in (0, VERSION):
        raise SpoolVersionError(path, version, known=VERSION)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    connection.executescript(
        f"BEGIN; {SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT"
    )


def is_damage(error: BaseException) -> bool:
    """Whether *error* says that the file's contents are wrong, not its disk."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
