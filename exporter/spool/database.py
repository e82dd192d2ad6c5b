"""
The file: how it's opened, and the schema with its migrations.

One connection, exclusive before WAL: with two, SQLite before 3.51.3 can corrupt a
database when it resets the log (sqlite.org/wal.html).
"""

import sqlite3
from pathlib import Path

from exporter.spool.errors import SpoolUnusableError, SpoolVersionError

CACHE_KIB = 8 * 1024
CHECKPOINT_PAGES = 1000

# Each entry brings a file from the version of its index to the next one. Entries are
# only ever added: there are files of every version out there.
MIGRATIONS = (
    """
    CREATE TABLE event (                  -- accepted and not yet settled
        sequence  INTEGER PRIMARY KEY,    -- the order of acceptance
        backend   TEXT    NOT NULL,
        partition INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        instance  INTEGER NOT NULL,
        body      BLOB    NOT NULL
    );
    CREATE TABLE dead_letter (            -- never delivered, kept with the reason
        sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
        backend   TEXT,                   -- NULL: it never became an event
        created   INTEGER NOT NULL,       -- milliseconds since 1970
        reason    TEXT    NOT NULL,
        action    TEXT    NOT NULL,       -- what the broker called it
        body      BLOB    NOT NULL,
        digest    BLOB UNIQUE             -- tells a repeat of what has no identity
    );
    CREATE TABLE held (                   -- counters, so that opening reads no rows
        what      TEXT PRIMARY KEY,       -- the table whose rows are counted
        rows      INTEGER NOT NULL,
        bytes     INTEGER NOT NULL        -- of their bodies
    ) WITHOUT ROWID;
    INSERT INTO held VALUES ('event', 0, 0), ('dead_letter', 0, 0);
    CREATE TABLE identity (               -- what was accepted, in that order
        partition INTEGER NOT NULL,
        sequence  INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        key       INTEGER NOT NULL,
        PRIMARY KEY (partition, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX identity_by_position ON identity (partition, position);
    CREATE TABLE memory (                 -- what the identities alone don't tell
        partition INTEGER PRIMARY KEY,
        epoch     INTEGER NOT NULL,       -- sequence at which positions started again
        forgotten_position  INTEGER NOT NULL,
        forgotten_timestamp INTEGER NOT NULL
    );
    """,
    """
    -- Of a dead letter that was an event: all that it takes to send it again. They are
    -- NULL where a record never became one.
    ALTER TABLE dead_letter ADD COLUMN partition INTEGER;
    ALTER TABLE dead_letter ADD COLUMN position  INTEGER;
    ALTER TABLE dead_letter ADD COLUMN timestamp INTEGER;
    ALTER TABLE dead_letter ADD COLUMN key       INTEGER;
    ALTER TABLE dead_letter ADD COLUMN instance  INTEGER;
    ALTER TABLE dead_letter ADD COLUMN status    INTEGER;  -- of the last answer
    ALTER TABLE dead_letter ADD COLUMN answer    TEXT    NOT NULL DEFAULT '';
    ALTER TABLE dead_letter ADD COLUMN attempts  INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- An event has a row for each backend that is to get it; until now there was one.
    -- Sequences are the order of acceptance within a backend: see waiting.py.
    ALTER TABLE event ADD COLUMN kind   TEXT NOT NULL DEFAULT '';
    ALTER TABLE event ADD COLUMN broker TEXT NOT NULL DEFAULT '';  -- its version
    ALTER TABLE dead_letter ADD COLUMN kind   TEXT NOT NULL DEFAULT '';
    ALTER TABLE dead_letter ADD COLUMN broker TEXT NOT NULL DEFAULT '';
    ALTER TABLE held RENAME TO held_before;
    CREATE TABLE held (
        what      TEXT    NOT NULL,
        backend   TEXT    NOT NULL,       -- '': it never became an event
        rows      INTEGER NOT NULL,
        bytes     INTEGER NOT NULL,
        PRIMARY KEY (what, backend)
    ) WITHOUT ROWID;
    INSERT INTO held
        SELECT what, 'default', rows, bytes FROM held_before WHERE what = 'event'
        UNION ALL VALUES ('dead_letter', '', 0, 0);
    INSERT OR REPLACE INTO held
        SELECT 'dead_letter', coalesce(backend, ''), count(*), sum(length(body))
        FROM dead_letter GROUP BY coalesce(backend, '');
    DROP TABLE held_before;
    """,
)

# The kind of a row from before the third migration is worked out when it's read: to
# write it down would mean to write all rows anew, while the broker waits.
KIND = """
    CASE
        WHEN kind <> '' OR partition IS NULL THEN kind
        WHEN NOT json_valid(CAST(body AS TEXT)) THEN ''
        ELSE coalesce('user-task.' ||
            CASE json_extract(CAST(body AS TEXT), '$.intent')
                WHEN 'CREATED' THEN 'created'
                WHEN 'ASSIGNED' THEN
                    CASE coalesce(json_extract(CAST(body AS TEXT), '$.assignee'), '')
                        WHEN '' THEN 'unassigned'
                        ELSE 'assigned'
                    END
                WHEN 'COMPLETED' THEN 'completed'
                WHEN 'CANCELED' THEN 'canceled'
            END, '')
    END
"""


def open_database(path: Path) -> sqlite3.Connection:
    """
    Open the file at *path*, new or of any known version; the caller closes it.

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
    if version > len(MIGRATIONS):
        raise SpoolVersionError(path, version, known=len(MIGRATIONS))
    migrate(connection, version)


def migrate(connection: sqlite3.Connection, version: int = 0) -> None:
    """Bring a file of *version*, or an empty one, to the newest schema."""
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(
            f"BEGIN; {migration}; PRAGMA user_version = {number}; COMMIT"
        )


def is_damage(error: BaseException) -> bool:
    """Whether *error* says that the file's contents are wrong, not its disk."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
