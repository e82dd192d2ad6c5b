"""
Split the body of a bulk request into items.

The parser never raises and never refuses a line: the broker repeats a refused request
forever. A line that isn't valid in its place becomes an item too.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from exporter.base import codec
from exporter.events import DEFAULT_TENANT

# The two spellings of an action in brokers 8.5 to 8.10. Values without escapes are
# copied to the answer, which is ten times faster than decoding and encoding JSON.
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
    """One action with its document, and the answer to it."""

    answer: bytes
    document: bytes | None
    """None if the record isn't selected; b"" if the body ends before the document."""
    tenant: str = DEFAULT_TENANT
    """The physical tenant of the record."""


class Action(NamedTuple):
    """One action line."""

    answer: bytes
    tenant: str | None
    """The physical tenant; None if the document isn't selected."""
    has_document: bool = True

    def item(self, document: bytes) -> Item:
        """Return the item with *document*."""
        if self.tenant is None:
            return Item(self.answer, None)
        return Item(self.answer, document, self.tenant)


class BulkParser:
    """A parser for one body, which arrives in chunks."""

    def __init__(self, tenant_of: Callable[[bytes], str | None]) -> None:
        """Skip documents whose index has no tenant, according to *tenant_of*."""
        self._tenant_of = tenant_of
        self._action: Action | None = None
        self._partial: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Item]:
        """Yield the items that *chunk* completes."""
        first, *lines = chunk.split(b"\n")
        self._partial.append(first)
        if lines:
            # One join for each line, so that long lines don't take quadratic time.
            whole = b"".join(self._partial)
            self._partial = [lines.pop()]
            yield from self._items((whole, *lines))

    def end(self) -> Iterator[Item]:
        """Yield the items of a last line without a line end."""
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
                yield Item(NO_ACTION, line)  # a record without an action line
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
        about = (index, identifier)
        answer = b'{"index":{"_index":"%b","_id":"%b","status":201}}' % about
        return Action(answer, self._tenant_of(index))

    def _read_unusual(self, line: bytes) -> Action | None:
        """Return the action of another client, or None if *line* isn't an action."""
        try:
            ((operation, about),) = codec.decode(line).items()
            index, identifier = _text(about.get("_index")), _text(about.get("_id"))
        except (ValueError, AttributeError):
            return None
        if operation not in OPERATIONS:
            return None
        has_document = operation not in WITHOUT_DOCUMENT
        status = 201 if has_document else 200
        answer = {operation: {"_index": index, "_id": identifier, "status": status}}
        tenant = self._tenant_of(index.encode(errors="replace"))
        return Action(codec.encode(answer), tenant, has_document)


def _text(name: object) -> str:
    return str(name) if isinstance(name, (str, int)) else ""
