"""
Read the content of bulk requests: events, unreadable records, and others.

Nothing here raises or refuses a line: the broker repeats a refused request forever. A
line that isn't valid in its place becomes a dead letter.
"""

import logging
import re
from collections.abc import Iterable

from exporter.base import codec
from exporter.events import DEFAULT_TENANT, Event, Mapper, UnmappableError
from exporter.spool import Unreadable

# An action as brokers spell it, with its names in any order. Values without escapes are
# copied to the answer, which is ten times faster than decoding and encoding JSON.
PLAIN = rb'"([\x20\x21\x23-\x5b\x5d-\x7e]*)"'
ACTION = re.compile(
    rb'\{"index":\{(?:(?:"_index":%b|"_id":%b|"routing":%b)(?:,(?=")|(?=\})))+\}\}\s*'
    % (PLAIN, PLAIN, PLAIN)
)
OPERATIONS = frozenset({"index", "create"})
NO_ACTION = b'{"index":{"_index":"","_id":"","status":201}}'

MOST_LETTERS = 1000
"""Dead letters of one request; all other unreadable records become one more."""

log = logging.getLogger(__name__)


class Bulk:
    """The content of one bulk request, which arrives in chunks."""

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self.answers: list[bytes] = []
        """One for each action, in order."""
        self.events: list[Event] = []
        self.unreadable: list[Unreadable] = []
        self.memory = 0
        """The bytes that `Uploads` counts for it."""
        self._rest: list[bytes] = []
        self._line: list[bytes] = []
        """The parts of a line that isn't complete."""
        self._in_action = False
        """Whether the next line is the document of an action."""
        self._tenant: str | None = None
        """The physical tenant of the last action; None if it isn't selected."""

    def feed(self, chunk: bytes) -> None:
        """Read the lines that *chunk* completes."""
        first, *lines = chunk.split(b"\n")
        self._line.append(first)
        if lines:
            # One join for each line, so that long lines don't take quadratic time.
            whole = b"".join(self._line)
            self._line = [lines.pop()]
            self._read((whole, *lines))

    def end(self) -> None:
        """Read the last line, which may have no line end and no document."""
        self._read((b"".join(self._line),))
        if self._in_action:
            self._read((b"",))
        if self._rest:
            reason = f"{len(self._rest)} more lines of this request can't be read"
            self.unreadable.append(Unreadable(reason, "", b"\n".join(self._rest)))

    def _read(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if self._in_action:
                self._in_action = False
                if self._tenant is not None:
                    self._add(line, self._tenant)
            elif line and not line.isspace():
                action = self._action(line)
                self.answers.append(action or NO_ACTION)
                if action:
                    self._in_action = True
                else:
                    self._add(line, DEFAULT_TENANT)  # a record without an action

    def _action(self, line: bytes) -> bytes | None:
        """Return the answer to the action in *line*, or None if it isn't one."""
        match = ACTION.fullmatch(line)
        index, identifier = match.group(1, 2) if match else (None, None)
        if index is None or identifier is None:
            return self._unusual_action(line)
        self._tenant = self._mapper.tenant_of(index)
        about = (index, identifier)
        return b'{"index":{"_index":"%b","_id":"%b","status":201}}' % about

    def _unusual_action(self, line: bytes) -> bytes | None:
        """Return the answer to the action of another client."""
        try:
            ((operation, about),) = codec.decode(line).items()
            index, identifier = _text(about.get("_index")), _text(about.get("_id"))
        except (ValueError, AttributeError):
            return None
        if operation not in OPERATIONS:
            return None
        self._tenant = self._mapper.tenant_of(index.encode(errors="replace"))
        answer = {operation: {"_index": index, "_id": identifier, "status": 201}}
        return codec.encode(answer)

    def _add(self, document: bytes, tenant: str) -> None:
        try:
            event = self._mapper.event(document, tenant)
        except UnmappableError as error:
            reason = f"{error}"
        except Exception as error:
            # Because of a bug, the broker must not repeat the request forever.
            log.exception("record not mapped")
            reason = f"mapping failed: {error!r}"
        else:
            if event is not None:
                self.events.append(event)
            return
        if len(self.unreadable) < MOST_LETTERS:
            action = self.answers[-1].decode(errors="replace")
            self.unreadable.append(Unreadable(reason, action, document))
        else:
            self._rest.append(document)


def _text(name: object) -> str:
    return str(name) if isinstance(name, (str, int)) else ""
