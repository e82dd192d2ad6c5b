"""
Remember open tasks and elements, so that a filter doesn't hide their end.

A process instance may be migrated into a process that a filter excludes. A backend that
got the first event of a task must get its last event too.
"""

import sqlite3
from collections.abc import Sequence

from exporter.events import ENDS, Event

MOST = 1_000_000
"""Rows at most; if there are more, the lowest keys are forgotten."""
LOOK_EVERY = 10_000
SELECT = "SELECT backend FROM known WHERE tenant = ? AND key = ?"
DELETE = "DELETE FROM known WHERE tenant = ? AND key = ?"
INSERT = "INSERT OR IGNORE INTO known VALUES (?, ?, ?)"
FORGET = """
    DELETE FROM known WHERE (tenant, key) IN
        (SELECT tenant, key FROM known ORDER BY key LIMIT ?)
"""


class Known:
    """The open tasks and elements in one spool; for the writer's transactions only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._learned = 0

    def resolve(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return *events* with all their backends, except events without any."""
        if not any(event.watchers for event in events):
            return events
        resolved: list[Event] = []
        seen: set[tuple[str, int, str]] = set()  # in this request
        for event in events:
            thing, backends = (event.tenant, event.key), event.backends
            if event.kind in ENDS and (hidden := {*event.watchers} - {*backends}):
                rows = self._connection.execute(SELECT, thing)
                known = hidden & {name for (name,) in rows}
                known |= {name for name in hidden if (*thing, name) in seen}
                backends += tuple(sorted(known))
            seen |= {(*thing, name) for name in backends}
            if backends:
                resolved.append(event._replace(backends=backends))
        return resolved

    def learn(self, events: Sequence[Event]) -> None:
        """Remember the backends of *events* until each task or element ends."""
        for event in events:
            thing = (event.tenant, event.key)
            if event.watchers and event.kind in ENDS:
                self._connection.execute(DELETE, thing)
            elif event.watchers:
                rows = [(*thing, name) for name in event.watchers]
                self._connection.executemany(INSERT, rows)
                self._learned += len(rows)
        if self._learned >= LOOK_EVERY:
            self._learned = 0
            (count,) = self._connection.execute("SELECT count(*) FROM known").fetchone()
            if count > MOST:
                self._connection.execute(FORGET, (count - MOST,))
