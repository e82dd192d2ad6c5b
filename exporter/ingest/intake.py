"""One bulk request, sorted: what becomes an event, what is kept aside, and the rest."""

import logging
from collections.abc import Iterable

from exporter.events import Event, Mapper, UnmappableError
from exporter.ingest.bulk import BulkParser, Item
from exporter.spool import Unreadable

MOST_LETTERS = 1000
"""Records of one request that are kept each by itself; what follows is kept as one."""

log = logging.getLogger(__name__)


class Intake:
    """Takes a body chunk by chunk; holds nothing of records that aren't wanted."""

    def __init__(self, mapper: Mapper) -> None:
        """Begin with an empty body; *mapper* knows what is wanted."""
        self._mapper = mapper
        self._parser = BulkParser(mapper.tenant_of)
        self.answers: list[bytes] = []
        """One per action, in order."""
        self.events: list[Event] = []
        self.unreadable: list[Unreadable] = []
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next *chunk*."""
        self._sort(self._parser.feed(chunk))

    def end(self) -> None:
        """Take what a body without its last line end still holds."""
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
                self._keep_aside(f"{error}", answer, document)
            except Exception as error:
                # A mistake of ours must not become a request that is refused for ever.
                log.exception("record not mapped")
                self._keep_aside(f"mapping failed: {error!r}", answer, document)
            else:
                if event is not None:
                    self.events.append(event)

    def _keep_aside(self, reason: str, answer: bytes, document: bytes) -> None:
        if len(self.unreadable) < MOST_LETTERS:
            action = answer.decode(errors="replace")
            self.unreadable.append(Unreadable(reason, action, document))
        else:
            self._rest.append(document)
