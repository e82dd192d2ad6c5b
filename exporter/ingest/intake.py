"""Sort the records of one bulk request: events, unreadable records, and others."""

import logging
from collections.abc import Iterable

from exporter.events import Event, Mapper, UnmappableError
from exporter.ingest.bulk import BulkParser, Item
from exporter.spool import Unreadable

MOST_LETTERS = 1000
"""Dead letters of one request; all other unreadable records become one more."""

log = logging.getLogger(__name__)


class Intake:
    """The content of one request, which arrives in chunks."""

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._parser = BulkParser(mapper.tenant_of)
        self.answers: list[bytes] = []
        """One for each action, in order."""
        self.events: list[Event] = []
        self.unreadable: list[Unreadable] = []
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Sort the records that *chunk* completes."""
        self._sort(self._parser.feed(chunk))

    def end(self) -> None:
        """Sort the rest of the body."""
        self._sort(self._parser.end())
        if self._rest:
            reason = f"{len(self._rest)} more lines of this request can't be read"
            self.unreadable.append(Unreadable(reason, "", b"\n".join(self._rest)))

    def _sort(self, items: Iterable[Item]) -> None:
        for answer, document, tenant in items:
            self.answers.append(answer)
            if document is None:
                continue
            try:
                event = self._mapper.event(document, tenant)
            except UnmappableError as error:
                self._add_unreadable(f"{error}", answer, document)
            except Exception as error:
                # Because of a bug, the broker must not repeat the request forever.
                log.exception("record not mapped")
                self._add_unreadable(f"mapping failed: {error!r}", answer, document)
            else:
                if event is not None:
                    self.events.append(event)

    def _add_unreadable(self, reason: str, answer: bytes, document: bytes) -> None:
        if len(self.unreadable) < MOST_LETTERS:
            action = answer.decode(errors="replace")
            self.unreadable.append(Unreadable(reason, action, document))
        else:
            self._rest.append(document)
