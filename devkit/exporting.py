"""
The exporters of one partition: one after another, each record until it is accepted.

Everything happens in one task, as it does in one actor of the broker: while a request
hangs, nothing else of the partition moves. A failed export is repeated for ever after
2, 4, 8, 10, 10 ... s; meanwhile each exporter also sends its bulk every `bulk.delay`.

A restart begins with a snapshot: what was acknowledged after it is exported again. Not
imitated: the last flush of an exporter when the broker stops in order.
"""

import asyncio
import itertools
import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from devkit.arguments import Arguments, Record, version_of
from devkit.connection import Connection
from devkit.engine import Partition
from devkit.exporter import NOTHING, Connect, Exporter, ExportError

log = logging.getLogger(__name__)

WAITS = (2.0, 4.0, 8.0, 10.0)
REMEMBERS = (8, 7, 12)
"""Since this version an enabled exporter without variables holds up the log."""

Snapshot = dict[str, Any]


class ChangeRefusedError(Exception):
    """An exporter can't be changed in this way."""


class Exporting:
    """The exporters of one partition, and the one task in which they work."""

    def __init__(  # noqa: PLR0913 -- the last two are for tests
        self,
        partition: Partition,
        exporters: Mapping[str, Arguments],
        version: str,
        *,
        snapshot: Snapshot | None = None,
        seconds: Callable[[], float] = time.monotonic,
        connect: Connect = Connection,
    ) -> None:
        """
        Begin after *snapshot*; without one, at the beginning of the log.

        Call `wake` after *seconds* was moved by hand.
        """
        broker, begin = version_of(version), snapshot or {}
        self._log = partition.log
        self._arguments = exporters
        self._seconds = seconds
        self._connect = connect
        self._held: Snapshot = begin.get("exporters", {})
        before = begin.get("states", {})
        gone = "CONFIG_NOT_FOUND" if broker >= REMEMBERS else "DISABLED"
        self._states = dict.fromkeys(before, gone) | dict.fromkeys(exporters, "ENABLED")
        self._states |= {x: "DISABLED" for x in before if before[x] == "DISABLED"}
        self._running = {
            name: Exporter(given, self._held.get(name, {}), connect)
            for name, given in exporters.items()
            if self._states[name] == "ENABLED"
        }
        # Measured with 8.6.0: an exporter that is enabled later gets nothing then.
        self._is_asleep = not self._running and broker < (8, 7)
        self._leaving: list[Exporter] = []
        self.paused = bool(begin.get("paused")) and broker >= (8, 10)
        self._retry_at, self._waits = 0.0, _waits()
        self._resting: asyncio.Timeout | None = None
        first = min(self.exported.values(), default=NOTHING)
        self._next = bisect_right(self._log.records, first, key=_position)

    async def run(self) -> None:
        """Export until this is cancelled."""
        for each in self._running.values():
            each.flush_at = self._seconds() + each.arguments.bulk_delay
            if each.arguments.address is None:
                # The broker is healthy, and only this line says what is wrong.
                log.error("Invalid HTTP host: %s", each.arguments.url)
                await asyncio.Event().wait()
        try:
            while True:
                await self._flush_due()
                if await self._export_next():
                    await asyncio.sleep(0)
                else:
                    await self._rest()
        finally:
            for each in self._running.values():
                each.close()

    @property
    def positions(self) -> dict[str, int]:
        """The acknowledged position of each exporter that runs."""
        return {name: each.kept["position"] for name, each in self._running.items()}

    @property
    def exported(self) -> dict[str, int]:
        """The position of the last record that each exporter has taken."""
        return {name: each.position for name, each in self._running.items()}

    def snapshot(self) -> Snapshot:
        """Return what a restart begins with; JSON can hold it."""
        gone = [x for x, state in self._states.items() if state == "CONFIG_NOT_FOUND"]
        held = {name: self._held[name] for name in gone if name in self._held}
        running = {name: each.kept for name, each in self._running.items()}
        return {"exporters": held | running, **self.settings()}

    def settings(self) -> Snapshot:
        """Return the part of a snapshot that a broker keeps at once."""
        return {"states": self.states(), "paused": self.paused}

    def states(self) -> dict[str, str]:
        """Return ENABLED, DISABLED or CONFIG_NOT_FOUND for each exporter, by its id."""
        return dict(self._states)

    def pause(self) -> None:
        """Export nothing until `resume`."""
        self.paused = True

    def resume(self) -> None:
        """Continue after `pause`."""
        self.paused = False
        self.wake()

    def refusal(self, verb: str, name: str) -> str | None:
        """Return why the exporter *name* can't be disabled, enabled or deleted."""
        gone = [x for x, state in self._states.items() if state == "CONFIG_NOT_FOUND"]
        can = {"disable": self._states, "enable": self._arguments, "delete": gone}
        return None if name in can[verb] else f"No exporter {name} here to {verb}"

    def disable(self, name: str) -> None:
        """Stop an exporter; its position is forgotten."""
        self._insist("disable", name)
        self._states[name] = "DISABLED"
        if name in self._running:
            self._leaving.append(self._running.pop(name))
            self.wake()

    def enable(self, name: str) -> None:
        """Start a disabled exporter: it gets what is written from now on."""
        self._insist("enable", name)
        if name in self._running:
            return
        records = self._log.records
        kept = {"position": records[-1]["position"] if records else NOTHING}
        new = Exporter(self._arguments[name], kept, self._connect)
        new.flush_at = self._seconds() + new.arguments.bulk_delay
        self._states[name] = "ENABLED"
        self._running = dict(sorted((self._running | {name: new}).items()))
        self.wake()

    def delete(self, name: str) -> None:
        """Forget an exporter that has no configuration any more."""
        self._insist("delete", name)
        del self._states[name]

    def _insist(self, verb: str, name: str) -> None:
        if problem := self.refusal(verb, name):
            raise ChangeRefusedError(problem)

    def wake(self) -> None:
        """Look at the clock again."""
        if self._resting and not self._resting.expired():
            self._resting.reschedule(asyncio.get_running_loop().time())

    async def _flush_due(self) -> None:
        while self._leaving:
            leaving = self._leaving.pop()
            await leaving.flush()
            leaving.close()
        for each in list(self._running.values()):
            if each.flush_at <= self._seconds():
                await each.flush()
                each.flush_at = self._seconds() + each.arguments.bulk_delay

    async def _export_next(self) -> bool:
        """Export one record to all; return whether that succeeded."""
        if not self._is_ready() or self._next >= len(self._log.records):
            return False
        record = self._log.records[self._next]
        for each in list(self._running.values()):
            if each.position >= record["position"]:
                continue
            try:
                await each.export(record)
            except ExportError as error:
                key = record["key"]
                log.warning("Error on exporting record with key %s: %s", key, error)
                self._retry_at = self._seconds() + next(self._waits)
                return False
        self._next += 1
        self._waits = _waits()
        return True

    def _is_ready(self) -> bool:
        stopped = self.paused or self._is_asleep or not self._running
        return not stopped and self._retry_at <= self._seconds()

    async def _rest(self) -> None:
        """Wait for a record, a time that is due, or `wake`."""
        now = self._seconds()
        due = [each.flush_at for each in self._running.values()]
        due += [self._retry_at] if self._retry_at > now else []
        delay = max(0.0, min(due) - now) if due else None
        with suppress(TimeoutError):
            async with asyncio.timeout(delay) as self._resting:
                if not self._is_ready():
                    await asyncio.Event().wait()
                await self._log.longer_than(self._next)
        self._resting = None


def _position(record: Record) -> int:
    return int(record["position"])


def _waits() -> Iterator[float]:
    return itertools.chain(WAITS, itertools.repeat(WAITS[-1]))
