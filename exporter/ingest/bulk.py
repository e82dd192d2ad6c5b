"""
Split the body of a bulk request into its items, whatever it holds.

Pure: chunks in, items out. It never raises and never refuses: a line that can't be
what its place asks for becomes an item all the same, because the broker repeats for
ever what isn't accepted.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from exporter.base import codec
from exporter.events import DEFAULT_TENANT

# The two spellings that brokers 8.5 to 8.10 send. Values without escapes can be copied
# into the answer as they are, ten times faster than reading and writing JSON.
PLAIN = rb'"([\x20\x21\x23-\x5b\x5d-\x7e]*)"'
OLDER = re.compile(
    rb'\{"index":\{(?:"routing":%b,)?"_index":%b,"_id":%b\}\}\s*'
    % (PLAIN, PLAIN, PLAIN)
)
NEWER = re.compile(
    rb'\{"index":\{"_id":%b,"_index":%b(?:,"routing":%b)?\}\}\s*'
    % (PLAIN, PLAIN, PLAIN)
)

WITHOUT_DOCUMENT = frozenset({"delete"})
OPERATIONS = frozenset({"index", "create", "update"}) | WITHOUT_DOCUMENT

NO_ACTION = b'{"index":{"_index":"","_id":"","status":201}}'


class Item(NamedTuple):
    """One action with its document, and what the answer says of it."""

    answer: bytes
    document: bytes | None
    """None when the record is of no interest, and b"" when the body ends before it."""
    tenant: str = DEFAULT_TENANT
    """The physical tenant that the record is of."""


class Action(NamedTuple):
    """An action line, read."""

    answer: bytes
    tenant: str | None
    """The physical tenant that it is of; None: its document needn't be looked at."""
    has_document: bool = True

    def item(self, document: bytes) -> Item:
        """Return it together with *document*."""
        if self.tenant is None:
            return Item(self.answer, None)
        return Item(self.answer, document, self.tenant)


class BulkParser:
    """One body, fed chunk by chunk."""

    def __init__(self, tenant_of: Callable[[bytes], str | None]) -> None:
        """Ask *tenant_of* with the index name of every action; None: unwanted."""
        self._tenant_of = tenant_of
        self._action: Action | None = None
        self._partial: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Item]:
        """Yield the items that *chunk* completes."""
        first, *lines = chunk.split(b"\n")
        self._partial.append(first)
        if lines:
            # Joined once per line: a line of many chunks costs no more than its bytes.
            whole = b"".join(self._partial)
            self._partial = [lines.pop()]
            yield from self._items((whole, *lines))

    def end(self) -> Iterator[Item]:
        """Yield what a body without its last line end still holds."""
        last = b"".join(self._partial)
        self._partial = []
        if last:
            yield from self._items((last,))
        if self._action is not None:
            yield self._action.item(b"")
            self._action = None

    def _items(self, lines: Iterable[bytes]) -> Iterator[Item]:
        action = self._action
        for line in lines:
            if action is not None:
                yield action.item(line)
                action = None
                continue
            if not line or line.isspace():
                continue
            action = self._read(line)
            if action is None:
                # A record without its action line is still a record.
                yield Item(NO_ACTION, line)
            elif not action.has_document:
                yield Item(action.answer, None)
                action = None
        self._action = action

    def _read(self, line: bytes) -> Action | None:
        if match := OLDER.fullmatch(line):
            _, index, identifier = match.groups()
        elif match := NEWER.fullmatch(line):
            identifier, index, _ = match.groups()
        else:
            return self._read_unusual(line)
        answer = b'{"index":{"_index":"%b","_id":"%b","status":201}}' % (
            index,
            identifier,
        )
        return Action(answer, self._tenant_of(index))

    def _read_unusual(self, line: bytes) -> Action | None:
        """Read what other clients send; None when *line* is no action."""
        try:
            action = codec.decode(line)
            ((operation, about),) = action.items()
            index, identifier = _text(about.get("_index")), _text(about.get("_id"))
        except (ValueError, AttributeError):
            return None
        if operation not in OPERATIONS:
            return None
        status = 200 if operation in WITHOUT_DOCUMENT else 201
        answer = {operation: {"_index": index, "_id": identifier, "status": status}}
        return Action(
            codec.encode(answer),
            self._tenant_of(index.encode(errors="replace")),
            operation not in WITHOUT_DOCUMENT,
        )


def _text(name: object) -> str:
    """Return *name* as an answer may give it back, whatever it was."""
    return str(name) if isinstance(name, (str, int)) else ""
