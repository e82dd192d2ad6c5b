"""
What was in a damaged file, row by row, put into a new one; totals are counted anew.

Rows are known by what they look like: that also tells where those belong to which no
way leads any more.
"""

import re
import sqlite3
from collections.abc import Iterable
from itertools import count, groupby
from typing import Any, NamedTuple

from exporter.spool.pages import Pages, Row
from exporter.spool.waiting import RANGE

TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
TENANT = re.compile(r"[A-Za-z0-9._~%-]+")

# The backends some of whose events are missing. Theirs are all that have ever waited
# when the totals are unknown.
LACKING = """
    CREATE TEMP TABLE lacking AS
        SELECT backend FROM (
            SELECT coalesce(backend, 'default') AS backend, rows FROM salvaged_held
            WHERE what = 'event'
            UNION ALL
            SELECT backend, -count(*) FROM event GROUP BY backend
        )
        GROUP BY backend HAVING sum(rows) <> 0;
"""

# An event that may be missing for one backend has to be accepted again, even when it
# still waits for another: so it's remembered if it waits for all that lack some.
FINISH = """
    INSERT OR IGNORE INTO identity
        SELECT tenant, partition, timestamp, position, key
        FROM event LEFT JOIN lacking USING (backend)
        GROUP BY tenant, partition, timestamp, position, key
        HAVING count(DISTINCT lacking.backend) = (SELECT count(*) FROM lacking);
    DROP TABLE lacking;
    DROP TABLE salvaged_held;
    INSERT OR REPLACE INTO held
        SELECT 'event', backend, count(*), sum(length(body)) FROM event
        GROUP BY backend
        UNION ALL
        SELECT 'dead_letter', coalesce(backend, ''), count(*), sum(length(body))
        FROM dead_letter GROUP BY coalesce(backend, '');
"""
TOLD = """
    SELECT what, sum(rows) FROM salvaged_held
    WHERE what IN ('event', 'dead_letter') GROUP BY what
"""
# Which ranges of sequences each backend's events are in; what is most is where it was.
RANGES = """
    SELECT backend, sequence / ? AS number FROM event
    GROUP BY backend, number ORDER BY count(*) DESC, number
"""
STRAYED = """
    SELECT sequence FROM event WHERE backend = ?1
        AND sequence BETWEEN ?2 * ?3 AND (?2 + 1) * ?3 - 1
    ORDER BY sequence
"""
NEWEST = """
    SELECT coalesce(max(sequence), ?1 * ?2) FROM event
    WHERE sequence BETWEEN ?1 * ?2 AND (?1 + 1) * ?2 - 1
"""
HELD = "SELECT what, sum(rows) FROM held GROUP BY what"


class Table(NamedTuple):
    """What a row of a table looks like."""

    name: str
    columns: list[str]
    types: list[type]
    optional: list[bool]

    def fits(self, row: Row) -> bool:
        """Whether *row* may be one of this table, and whole."""
        if len(row) != len(self.columns):
            return False
        # It becomes a header; on a page that was cut it may be anything.
        tenant = dict(zip(self.columns, row, strict=True)).get("tenant")
        return not (type(tenant) is str and not TENANT.fullmatch(tenant)) and all(
            type(value) is kind or (value is None and optional)
            for value, kind, optional in zip(
                row, self.types, self.optional, strict=True
            )
        )


SCHEMA = Table(
    "sqlite_master",
    ["type", "name", "tbl_name", "rootpage", "sql"],
    [str, str, str, int, str],
    [False, False, False, False, True],
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
    one("CREATE TABLE salvaged_held AS SELECT * FROM held WHERE 0")
    schema = filter(SCHEMA.fits, pages.tree(1))
    roots |= {name: root for kind, name, _, root, _ in schema if kind == "table"}
    for root in roots.values():
        _insert(connection, tables, pages.tree(root))
    told = _told(connection, tables, pages)
    one(LACKING)
    lacking = {
        name
        for name in ("event", "dead_letter")
        if one(f"SELECT count(*) FROM {name}").fetchone()[0] != told.get(name)  # noqa: S608
    }
    if one("SELECT 1 FROM lacking LIMIT 1").fetchone():
        lacking.add("event")
    if pages.damaged or lacking:
        # Some may be long settled: when in doubt a duplicate, never a loss.
        wanted = lacking | {"identity"}
        strays = [table for table in tables if table.name in wanted]
        _insert(connection, strays, pages.strays())
    _arrange(connection)
    one("COMMIT")
    if "event" in lacking:
        # The broker may still have what is missing, and its repeat must be accepted.
        one("DELETE FROM identity")
    connection.executescript(FINISH)
    held: dict[str, int] = dict(one(HELD))
    missing = [told.get(what, 0) - rows for what, rows in held.items()]
    return sum(n for n in missing if n > 0) if told else None


def _told(
    connection: sqlite3.Connection, tables: list[Table], pages: Pages
) -> dict[str, int]:
    """Return how many rows the file is said to have, wherever it says so."""
    if not (found := dict(connection.execute(TOLD))):
        held = [table for table in tables if table.name == "held"]
        _insert(connection, held, pages.strays())
        # Of a page that is in the log, too, the newest comes first.
        connection.execute(
            "DELETE FROM salvaged_held WHERE rowid NOT IN "
            "(SELECT min(rowid) FROM salvaged_held GROUP BY what, backend)"
        )
        found = dict(connection.execute(TOLD))
    return found


def _arrange(connection: sqlite3.Connection) -> None:
    """Let no backend's events lie in two ranges, nor two backends' in one."""
    found = connection.execute(RANGES, (RANGE,)).fetchall()
    used = {number for _, number in found}
    homes: dict[str, int] = {}
    for backend, number in found:
        if backend not in homes and number not in homes.values():
            homes[backend] = number
            continue
        if backend not in homes:
            homes[backend] = next(each for each in count() if each not in used)
            used.add(homes[backend])
        strayed = connection.execute(STRAYED, (backend, number, RANGE)).fetchall()
        newest = connection.execute(NEWEST, (homes[backend], RANGE)).fetchone()[0]
        connection.executemany(
            "UPDATE event SET sequence = ? WHERE sequence = ?",
            [(place, *row) for place, row in enumerate(strayed, start=newest + 1)],
        )


def _insert(
    connection: sqlite3.Connection, tables: list[Table], rows: Iterable[Row]
) -> None:
    """Put each of *rows* into the one of *tables* that it fits, if there is one."""
    fitting = ((table, row) for row in rows for table in tables if table.fits(row))
    for table, group in groupby(fitting, key=lambda each: each[0]):
        into = "salvaged_held" if table.name == "held" else table.name
        connection.executemany(
            f"INSERT OR IGNORE INTO {into} VALUES "  # noqa: S608 - constants
            f"({', '.join('?' * len(table.columns))})",
            (row for _, row in group),
        )


def _table(connection: sqlite3.Connection, name: str) -> Table:
    columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
    return Table(
        name,
        [c[1] for c in columns],
        [TYPES.get(c[2], type(None)) for c in columns],
        [not c[3] and not c[5] for c in columns],
    )
