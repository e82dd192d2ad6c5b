"""
The exporters of one partition: each record goes to one exporter after another.

One task does all the work, like the one actor of a broker: a hanging request stops the
whole partition. A failed export is repeated after 2, 4, 8, 10, 10 ... s, without end.
Meanwhile each exporter also sends its bulk every `bulk.delay`.

After a restart, records that were acknowledged after the latest snapshot are exported
again. The last flush of a disabled exporter or a stopping broker isn't imitated.
"""

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from devkit.arguments import Arguments, version_of
from devkit.backend import Answer
from devkit.engine import Partition
from devkit.requests import RequestBuilder, SearchRequest
from devkit.stories import Record

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 2.0, 10.0
TURN_RECORDS = 100
"""Other tasks get a turn after this many records."""
UNFLUSHED = "Unexpected exception occurred on periodically flushing bulk"
REMEMBERS = (8, 7, 12)
"""From this version on, an enabled exporter without variables blocks the log."""

NOTHING = -1
"""A position before the first record."""


class ExportError(Exception):
    """A request failed and must be repeated."""


class Connection:
    """A kept-alive connection; its timeout covers a whole exchange."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._host, self._port, self._seconds = host, port, seconds
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Return the answer to *request*; raise if there is none."""
        if not self._open or self._open[0].at_eof() or self._open[1].is_closing():
            self.close()
        try:
            async with asyncio.timeout(self._seconds):
                if not self._open:
                    self._open = await asyncio.open_connection(self._host, self._port)
                reader, writer = self._open
                writer.write(request)
                await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                status, *lines = head.strip().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines)
                body = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            self.close()
            raise
        return Answer(int(status.split(" ")[1]), headers, body)

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._open:
            self._open[1].close()
        self._open = None


class SearchExporter:
    """One exporter of a broker; `kept` is its state in a snapshot."""

    def __init__(self, arguments: Arguments, kept: Mapping[str, Any]) -> None:
        """Continue from the state that a snapshot *kept*."""
        self.arguments = arguments
        self.kept = {"position": NOTHING, "counters": {}, **kept}
        self.position: int = self.kept["position"]
        """The position of the last record that this exporter has taken."""
        self.flush_at = 0.0
        seconds = arguments.requesttimeoutms / 1000
        self.connection = Connection(*(arguments.address or ("", 0)), seconds)
        self._builder = RequestBuilder(arguments)
        self._counters: dict[str, int] = dict(self.kept["counters"])
        self._prepared: set[str] = set()
        self._bulk: list[tuple[str, str]] = []
        self._seen = self.position

    async def export(self, record: Record) -> None:
        """Take *record*; a failed attempt may have added it to the bulk already."""
        position, kind = record["position"], record["valueType"]
        if self.arguments.exports(record):
            version = record["brokerVersion"]
            if version not in self._prepared:
                for request in self._builder.startup(version):
                    await self._ask(request)
                self._prepared.add(version)
            if self._seen != position:
                self._counters[kind] = self._counters.get(kind, 0) + 1
                self._bulk.append(self._builder.lines(record, self._counters[kind]))
                self._seen = position
            if self._bulk and len(self._bulk) >= self.arguments.bulk_size:
                await self.flush()
        self._seen = self.position = position

    async def flush(self) -> None:
        """Send the bulk, if there is one, and acknowledge its records."""
        if self._bulk:
            lines = [line for both in self._bulk for line in both]
            await self._ask(self._builder.bulk(lines))
            self._bulk.clear()
        self.kept = {"position": self._seen, "counters": dict(self._counters)}

    async def _ask(self, request: SearchRequest) -> None:
        try:
            answer = await self.connection.ask(request.encoded())
            problem = self._builder.problem(request, answer)
        except Exception as error:
            raise ExportError(repr(error)) from error
        if problem:
            raise ExportError(problem)


class Exporting:
    """The exporters of one partition; `run` does all their work in one task."""

    def __init__(
        self,
        partition: Partition,
        exporters: Mapping[str, Arguments],
        version: str,
        *,
        snapshot: dict[str, Any] | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Continue from *snapshot*; without one, start with the log."""
        broker, begin = version_of(version), snapshot or {}
        self.partition, self._log = partition, partition.log
        self._arguments, self._seconds = exporters, seconds
        self._kept: dict[str, Any] = begin.get("exporters", {})
        before = begin.get("states", {})
        gone = "CONFIG_NOT_FOUND" if broker >= REMEMBERS else "DISABLED"
        self.states = dict.fromkeys(before, gone) | dict.fromkeys(exporters, "ENABLED")
        """ENABLED, DISABLED, ENABLING, DISABLING or CONFIG_NOT_FOUND, by exporter."""
        self.states |= {x: "DISABLED" for x in before if before[x] == "DISABLED"}
        self._running: dict[str, SearchExporter] = {}
        self._all: list[SearchExporter] = []
        for name in sorted(exporters):
            if self.states[name] == "ENABLED":
                self._start(name, self._kept.get(name, {}))
        self.paused = bool(begin.get("paused")) and broker >= (8, 10)
        self._retry_at = self._wait = 0.0
        first = min(self.exported.values(), default=NOTHING)
        self._next = bisect_right(self._log.records, first, key=lambda x: x["position"])

    async def run(self) -> None:
        """Export until cancelled."""
        try:
            while True:
                self._log.news.clear()
                delay = await self.work()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._log.news.wait()
        finally:
            self.close()

    async def work(self) -> float | None:
        """Do all due work; return the seconds until more is due, or None."""
        if any(each.arguments.address is None for each in self._running.values()):
            return None
        await self._flush_due()
        while await self._export_next():
            await self._flush_due()
        now = self._seconds()
        due = [self._retry_at] if self._retry_at > now else []
        due += [each.flush_at for each in self._running.values()]
        return max(0.0, min(due) - now) if due else None

    def close(self) -> None:
        """Close all connections."""
        for each in self._all:
            each.connection.close()

    @property
    def positions(self) -> dict[str, int]:
        """The acknowledged position of each running exporter."""
        return {name: each.kept["position"] for name, each in self._running.items()}

    @property
    def exported(self) -> dict[str, int]:
        """The position of the last record that each running exporter has taken."""
        return {name: each.position for name, each in self._running.items()}

    def snapshot(self) -> dict[str, Any]:
        """Return the state for a restart, fit for JSON."""
        kept = {name: self._kept[name] for name in self._gone() if name in self._kept}
        kept |= {name: each.kept for name, each in self._running.items()}
        return {
            "position": min((x["position"] for x in kept.values()), default=NOTHING),
            "exporters": kept,
            "states": dict(self.states),
            "paused": self.paused,
        }

    def can(self, verb: str, name: str) -> bool:
        """Return whether the exporter *name* can be disabled, enabled or deleted."""
        if verb == "delete":
            return name in self._gone()
        return name in (self.states if verb == "disable" else self._arguments)

    def disable(self, name: str) -> None:
        """Stop an exporter and forget its position."""
        self.states[name] = "DISABLED"
        self._running.pop(name, None)
        self.wake()

    def enable(self, name: str) -> None:
        """Start a disabled exporter with the next new record."""
        if name not in self._running:
            last = max((x["position"] for x in self._log.records[-1:]), default=NOTHING)
            self._start(name, {"position": last})
        self.wake()

    def delete(self, name: str) -> None:
        """Forget an exporter without configuration."""
        self.states.pop(name, None)

    def _start(self, name: str, kept: Mapping[str, Any]) -> None:
        new = SearchExporter(self._arguments[name], kept)
        new.flush_at = self._seconds() + new.arguments.bulk_delay
        self._all.append(new)
        self.states[name] = "ENABLED"
        self._running = dict(sorted((self._running | {name: new}).items()))
        if new.arguments.address is None:
            # The broker stays healthy; only this line shows the fault.
            log.error("Invalid HTTP host: %s", new.arguments.url)

    def _gone(self) -> list[str]:
        return [x for x, state in self.states.items() if state == "CONFIG_NOT_FOUND"]

    def wake(self) -> None:
        """Make `run` check the clock, the states and `paused` again."""
        self._log.news.set()

    async def _flush_due(self) -> None:
        for each in list(self._running.values()):
            if each.flush_at <= self._seconds():
                try:
                    await each.flush()
                except ExportError as error:
                    log.warning("%s, will retry later. %s", UNFLUSHED, error)
                each.flush_at = self._seconds() + each.arguments.bulk_delay

    async def _export_next(self) -> bool:
        """Export one record to all exporters; return whether that succeeded."""
        waits = self.paused or not self._running or self._retry_at > self._seconds()
        if waits or self._next >= len(self._log.records):
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
                self._wait = min(2 * self._wait, LONGEST_WAIT) or FIRST_WAIT
                self._retry_at = self._seconds() + self._wait
                return False
        self._next += 1
        self._wait = 0.0
        if self._next % TURN_RECORDS == 0:
            await asyncio.sleep(0)
        return True
