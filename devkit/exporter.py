"""One exporter of one partition: its bulk, its counters, its connection."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devkit.arguments import Arguments, Record
from devkit.connection import Connection
from devkit.requests import Client, Request

log = logging.getLogger(__name__)

NOTHING = -1
"""The position before all others."""

Connect = Callable[[tuple[str, int, bool], float], Connection]


class ExportError(Exception):
    """A request failed; it will be repeated."""


class Exporter:
    """One exporter, whose `kept` is what a snapshot keeps of it."""

    def __init__(
        self, arguments: Arguments, kept: Mapping[str, Any], connect: Connect
    ) -> None:
        """Begin after the position that a snapshot *kept*."""
        self.arguments = arguments
        self.position: int = kept.get("position", NOTHING)
        """Of the last record that needs no other attempt."""
        self.flush_at = 0.0
        self._counters: dict[str, int] = dict(kept.get("counters", {}))
        self._client = Client(arguments)
        address = arguments.address or ("", 0, False)
        self._connection = connect(address, arguments.requesttimeoutms / 1000)
        self._prepared: set[str] = set()
        self._bulk: list[tuple[str, str, int]] = []
        self._bytes = 0
        self._seen = self._added = self.position
        self._acknowledge()

    async def export(self, record: Record) -> None:
        """Take *record*; an attempt that failed may have taken it already."""
        if self.arguments.exports(record):
            await self._take(record)
        self._seen = self.position = record["position"]

    async def flush(self) -> None:
        """Send what waits and acknowledge it, as happens every `bulk.delay`."""
        try:
            await self._send()
        except ExportError as error:
            problem = "Unexpected exception occurred on periodically flushing bulk"
            log.warning("%s, will retry later. %s", problem, error)
        else:
            self._acknowledge()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def _take(self, record: Record) -> None:
        given, kind = self.arguments, record["valueType"]
        await self._prepare(record["brokerVersion"])
        count = self._counters.get(kind, 0) + 1
        is_new = self._added != record["position"]
        if is_new:
            action, document = self._client.lines(record, count)
            self._bulk.append((action, document, len(document.encode())))
            self._bytes += self._bulk[-1][2]
            self._added = self._seen = record["position"]
        if is_new and given.version >= (8, 7):
            self._counters[kind] = count
        is_many = len(self._bulk) >= given.bulk_size
        is_full = self._bulk and (is_many or self._bytes >= given.bulk_memorylimit)
        if is_full:
            await self._send()
        # Up to 8.6, a bulk that only the periodic flush gets through isn't counted:
        # the next record of the type has the same sequence.
        if given.version < (8, 7) and (is_new or is_full):
            self._counters[kind] = count
        if is_full:
            self._acknowledge()

    def _acknowledge(self) -> None:
        self.kept = {"position": self._seen, "counters": dict(self._counters)}

    async def _send(self) -> None:
        for lines in self._pieces():
            await self._ask(self._client.bulk(lines))
        self._bulk.clear()
        self._bytes = 0

    def _pieces(self) -> Iterator[list[str]]:
        """Yield the lines of the bulk, from 8.9 on in pieces below the memory limit."""
        lines: list[str] = []
        size, given = 0, self.arguments
        for action, document, more in self._bulk:
            over = lines and size + more > given.bulk_memorylimit
            if over and given.version >= (8, 9):
                yield lines
                lines, size = [], 0
            lines += (action, document)
            size += more
        if lines:
            yield lines

    async def _prepare(self, version: str) -> None:
        """Send what goes before the first record of *version*, from its beginning."""
        if version in self._prepared:
            return
        has_policy = self.arguments.opensearch
        if has_policy:
            try:
                await self._ask(self._client.policy())
            except ExportError:
                has_policy = False
        for request in self._client.startup(version, has_policy=has_policy):
            await self._ask(request)
        self._prepared.add(version)

    async def _ask(self, request: Request) -> None:
        try:
            answer = await self._connection.ask(request.encoded())
        except (OSError, EOFError, ValueError, LookupError) as error:
            raise ExportError(repr(error)) from error
        if problem := self._client.problem(request, answer):
            raise ExportError(problem)
