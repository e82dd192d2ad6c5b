"""
Things whose beginning a backend got, and whose end a filter could keep away.

A process instance may be migrated into a process that a filter excludes. A backend that
got the beginning of a task gets its end as well.
"""

import sqlite3
from collections.abc import Sequence

from exporter.events import ENDS, Event

MOST = 1_000_000
"""How many open things are remembered; of more, the lowest keys are forgotten."""
LOOK_EVERY = 10_000


class Known:
    """The memory of one spool; used inside the writer's transactions only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use *connection*, which the caller keeps open."""
        self._connection = connection
        self._learned = 0

    def resolve(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return *events* with all their backends, without events that have none."""
        if not any(event.watchers for event in events):
            return events
        resolved: list[Event] = []
        told: set[tuple[str, int, str]] = set()  # by this request
        for event in events:
            backends = event.backends
            if event.kind in ENDS and (lost := {*event.watchers} - {*backends}):
                known = {name for name in lost if (*_thing(event), name) in told}
                known |= {name for name in self._of(event) if name in lost}
                backends += tuple(sorted(known))
            told |= {(*_thing(event), name) for name in backends}
            if backends:
                resolved.append(event._replace(backends=backends))
        return resolved

    def learn(self, events: Sequence[Event]) -> None:
        """Remember the backends that get *events*, until the end of each thing."""
        for event in events:
            if event.watchers and event.kind in ENDS:
                delete = "DELETE FROM known WHERE tenant = ? AND key = ?"
                self._connection.execute(delete, _thing(event))
            elif event.watchers:
                rows = [(*_thing(event), name) for name in event.watchers]
                insert = "INSERT OR IGNORE INTO known VALUES (?, ?, ?)"
                self._connection.executemany(insert, rows)
                self._learned += len(rows)
        if self._learned >= LOOK_EVERY:
            self._learned = 0
            self._forget()

    def _of(self, event: Event) -> list[str]:
        select = "SELECT backend FROM known WHERE tenant = ? AND key = ?"
        return [name for (name,) in self._connection.execute(select, _thing(event))]

    def _forget(self) -> None:
        (count,) = self._connection.execute("SELECT count(*) FROM known").fetchone()
        if count > MOST:
            self._connection.execute(
                "DELETE FROM known WHERE (tenant, key) IN "
                "(SELECT tenant, key FROM known ORDER BY key LIMIT ?)",
                (count - MOST,),
            )


def _thing(event: Event) -> tuple[str, int]:
    return event.tenant, event.key
