"""
What was in a damaged file, row by row, put into a new one; totals are counted anew.

Rows are known by what they look like: that also tells where those belong to which no
way leads any more.
"""

import sqlite3
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from exporter.spool.pages import Pages, Row

TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
SORTED_LATER = ("identity", "held")

# Sequences of identities leave no gap, and waiting events are all remembered.
REMEMBER = """
    UPDATE memory SET epoch = 1 + (
        SELECT count(*) FROM salvaged_identity AS i
        WHERE i.partition = memory.partition AND i.sequence < memory.epoch
    ) WHERE epoch > 0;
    INSERT INTO identity
        SELECT partition, row_number() OVER (PARTITION BY partition ORDER BY sequence),
            position, timestamp, key
        FROM salvaged_identity;
"""
FORGET = "DELETE FROM memory;"
FINISH = """
    INSERT INTO identity
        SELECT partition, row_number() OVER (PARTITION BY partition ORDER BY sequence)
                + coalesce((SELECT max(sequence) FROM identity AS i
                    WHERE i.partition = event.partition), 0),
            position, timestamp, key
        FROM event
        WHERE NOT EXISTS (SELECT 1 FROM identity AS i INDEXED BY identity_by_position
            WHERE i.partition = event.partition AND i.position = event.position
                AND i.timestamp = event.timestamp AND i.key = event.key);
    DROP TABLE salvaged_identity;
    DROP TABLE salvaged_held;
    INSERT OR REPLACE INTO held
        SELECT 'event', count(*), coalesce(sum(length(body)), 0) FROM event
        UNION ALL
        SELECT 'dead_letter', count(*), coalesce(sum(length(body)), 0)
        FROM dead_letter;
"""


class Table(NamedTuple):
    """What a row of a table looks like."""

    name: str
    columns: list[str]
    types: list[type]
    optional: list[bool]
    least: int
    """How many columns a row has at least; the others came with a migration."""

    def fits(self, row: Row) -> bool:
        """Whether *row* may be one of this table."""
        return self.least <= len(row) <= len(self.columns) and all(
            type(value) is kind or (value is None and optional)
            for value, kind, optional in zip(
                row, self.types, self.optional, strict=False
            )
        )


SCHEMA = Table(
    "sqlite_master",
    ["type", "name", "tbl_name", "rootpage", "sql"],
    [str, str, str, int, str],
    [False, False, False, False, True],
    least=5,
)


def copy(pages: Pages, connection: sqlite3.Connection) -> int | None:
    """Fill the new file; return how many rows are missing, if that's known."""
    one = connection.execute
    # Where a new file has its tables is where a damaged one had them, most likely.
    roots: dict[Any, Any] = dict(
        one("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'")
    )
    tables = [_table(connection, name) for name in roots]
    one("BEGIN")
    for name in SORTED_LATER:
        one(f"CREATE TABLE salvaged_{name} AS SELECT * FROM {name} WHERE 0")  # noqa: S608
    schema = filter(SCHEMA.fits, pages.tree(1))
    roots |= {name: root for kind, name, _, root, _ in schema if kind == "table"}
    for root in roots.values():
        _insert(connection, tables, pages.tree(root))
    told: dict[str, int] = dict(one("SELECT what, rows FROM salvaged_held"))
    lacking = {
        name
        for name in ("event", "dead_letter")
        if one(f"SELECT count(*) FROM {name}").fetchone()[0] != told.get(name)  # noqa: S608
    }
    if pages.damaged or lacking:
        # Some may be long settled: when in doubt a duplicate, never a loss.
        wanted = lacking | {"identity", "memory"}
        strays = [table for table in tables if table.name in wanted]
        _insert(connection, strays, pages.strays())
    one("COMMIT")
    # The broker may still have what is missing: then its repeat has to be accepted.
    connection.executescript((FORGET if "event" in lacking else REMEMBER) + FINISH)
    held: dict[str, int] = dict(one("SELECT what, rows FROM held"))
    missing = [told.get(what, 0) - rows for what, rows in held.items()]
    return sum(n for n in missing if n > 0) if told else None


def _insert(
    connection: sqlite3.Connection, tables: list[Table], rows: Iterable[Row]
) -> None:
    """Put each of *rows* into the one of *tables* that it fits, if there is one."""
    fitting = ((table, row) for row in rows for table in tables if table.fits(row))
    for (name, width), group in groupby(
        fitting, key=lambda each: (each[0].name, len(each[1]))
    ):
        table = next(table for table in tables if table.name == name)
        into = f"salvaged_{name}" if name in SORTED_LATER else name
        connection.executemany(
            f"INSERT OR IGNORE INTO {into} ({', '.join(table.columns[:width])}) "  # noqa: S608
            f"VALUES ({', '.join('?' * width)})",
            (row for _, row in group),
        )


def _table(connection: sqlite3.Connection, name: str) -> Table:
    columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
    required = [bool(c[3]) and c[4] is None for c in columns]
    return Table(
        name,
        [c[1] for c in columns],
        [TYPES.get(c[2], type(None)) for c in columns],
        [not c[3] and not c[5] for c in columns],
        least=max((n for n, yes in enumerate(required, start=1) if yes), default=1),
    )
