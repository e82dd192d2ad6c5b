"""
Rows of a database file, read without SQLite, which gives up where a page is damaged.

Only reads, and only what sqlite.org/fileformat2.html promises. A damaged page costs
the rows on it and no others: what its siblings hold is found by looking at every page.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = b"SQLite format 3\0"
PAGE_SIZES = frozenset(1 << n for n in range(9, 17))
USUAL_PAGE_SIZE = 4096

# Kinds of pages; the rows of an index, or of a table without rowid, are also in its
# inner pages.
INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13
KINDS = frozenset({INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF})
INTEGER_SIZES = (0, 1, 2, 3, 4, 6, 8)

Value = int | str | bytes | None
Row = list[Value]


class Page(NamedTuple):
    """What is readable of one page of a tree."""

    children: list[int]
    rows: list[Row]
    whole: bool
    """Whether that is all of it."""


DAMAGED = Page([], [], whole=False)


class Pages:
    """All pages of one file, as of the last commit in its log."""

    def __init__(self, path: Path) -> None:
        """Open the file at *path*, with the log beside it when there is one."""
        log = path.with_name(f"{path.name}-wal")
        self._log_file = log.open("rb") if log.exists() else io.BytesIO()
        self._file = path.open("rb")
        size, self._log = committed(self._log_file)
        if not self._log and (head := self._file.read(100))[:16] == MAGIC:
            told = int.from_bytes(head[16:18], "big")
            told = 1 << 16 if told == 1 else told
            size = told if told in PAGE_SIZES else size
        self._size = size
        in_file = -(-path.stat().st_size // size)
        self.count = max(in_file, *self._log, 0)
        self._seen = bytearray(self.count + 1)
        first = self._newest(1)
        self._header = first[:100] if first[:16] == MAGIC else bytes(100)
        self._usable = size - self._header[20]
        self.version = int.from_bytes(self._header[60:64], "big")
        """Of the schema; 0 when it's not readable."""
        self.damaged = 0
        """Pages met that weren't readable as a whole."""

    def close(self) -> None:
        """Close the file and its log."""
        self._file.close()
        self._log_file.close()

    def tree(self, root: int) -> Iterator[Row]:
        """Yield the rows of the table at *root*, as far as there is a way to them."""
        ahead = [root]
        while ahead:
            number = ahead.pop()
            if not 0 < number <= self.count or self._seen[number]:
                self.damaged += 1
                continue
            self._seen[number] = True
            page = self._read(self._newest(number), 100 if number == 1 else 0)
            self.damaged += not page.whole
            ahead += reversed(page.children)
            yield from page.rows

    def strays(self) -> Iterator[Row]:
        """
        Yield the rows of all pages that no tree has led to.

        Among them may be some that were deleted, or a part of another table.
        """
        for number in self._free():
            self._seen[number] = True
        for number in range(2, self.count + 1):
            if not self._seen[number]:
                yield from self._read(self._newest(number)).rows
            if number in self._log:  # which may be another file's, and hide a page
                yield from self._read(self._in_file(number)).rows

    def _free(self) -> Iterator[int]:
        """Yield the pages in the list of those that are free."""
        trunk = int.from_bytes(self._header[32:36], "big")
        while 1 < trunk <= self.count and not self._seen[trunk]:
            self._seen[trunk] = True
            page = self._newest(trunk)
            following, length = struct.unpack_from(">II", page)
            length = min(length, len(page) // 4 - 2)
            leaves = struct.unpack_from(f">{length}I", page, 8)
            yield from (leaf for leaf in leaves if leaf <= self.count)
            trunk = following

    def _newest(self, number: int) -> bytes:
        if number not in self._log:
            return self._in_file(number)
        self._log_file.seek(self._log[number])
        return self._log_file.read(self._size)

    def _in_file(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size).ljust(self._size, b"\0")

    def _read(self, page: bytes, start: int = 0) -> Page:
        kind = page[start]
        if kind not in KINDS:
            return DAMAGED
        inner = kind in (INDEX_INNER, TABLE_INNER)
        (length,) = struct.unpack_from(">H", page, start + 3)
        first = start + (12 if inner else 8)
        if first + 2 * length > len(page):
            return DAMAGED
        children: list[int] = []
        rows: list[Row] = []
        whole = True
        for at in struct.unpack_from(f">{length}H", page, first):
            try:
                if inner:
                    children += struct.unpack_from(">I", page, at)
                if kind != TABLE_INNER:
                    rows.append(self._cell(page, at + 4 * inner, kind))
            except (IndexError, ValueError, struct.error):
                whole = False
        if inner:
            children += struct.unpack_from(">I", page, start + 8)
        return Page(children, rows, whole)

    def _cell(self, page: bytes, at: int, kind: int) -> Row:
        size, at = varint(page, at)
        if kind != TABLE_LEAF:
            return record(self._payload(page, at, size, kind))
        rowid, at = varint(page, at)
        if not rowid or rowid >> 62:
            raise ValueError(rowid)  # ours begin with 1, and never get that far
        row = record(self._payload(page, at, size, kind))
        # An INTEGER PRIMARY KEY is the rowid; ours are all in the first column.
        return [rowid, *row[1:]] if row[:1] == [None] else row

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> bytes:
        """Return the *size* bytes from *at* on, and on the pages they flow over to."""
        usable = self._usable
        most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return page[at : at + size]
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= most else least
        parts = [page[at : at + local]]
        (number,) = struct.unpack_from(">I", page, at + local)
        left = size - local
        chain: set[int] = set()
        while left > 0:
            if not 1 < number <= self.count or number in chain:
                raise ValueError(number)
            # No need to mark it as seen: it begins with a number, not with a kind.
            chain.add(number)
            page = self._newest(number)
            parts.append(page[4 : min(4 + left, usable)])
            left -= len(parts[-1])
            (number,) = struct.unpack_from(">I", page)
        return b"".join(parts)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at*, of one to nine bytes, and where it ends."""
    value = 0
    for end in range(at, at + 8):
        byte = data[end]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end + 1
    return value << 8 | data[at + 8], at + 9


def record(data: bytes) -> Row:
    """Return the values of one row; `ValueError` or `IndexError` if it can't be one."""
    head, column = varint(data, 0)
    at = head
    row: Row = []
    while column < head:
        kind, column = varint(data, column)
        if kind == 0:
            row.append(None)
        elif kind < 7:
            end = at + INTEGER_SIZES[kind]
            row.append(int.from_bytes(data[at:end], "big", signed=True))
            at = end
        elif kind in (8, 9):
            row.append(kind - 8)
        elif kind >= 12:
            end = at + (kind - 12) // 2
            row.append(data[at:end] if kind % 2 == 0 else data[at:end].decode())
            at = end
        else:
            raise ValueError(kind)  # floating point or reserved: nothing of ours
    if at != len(data):
        raise ValueError(at)
    return row


def committed(log: BinaryIO) -> tuple[int, dict[int, int]]:
    """Return the page size of a write-ahead *log*, and where the newest pages are."""
    pages: dict[int, int] = {}
    head = log.read(32)
    if len(head) < 32:
        return USUAL_PAGE_SIZE, pages
    magic, _, size, _, *salt, one, two = struct.unpack(">8I", head)
    order = {0x377F0682: "<", 0x377F0683: ">"}.get(magic)
    if order is None or size not in PAGE_SIZES:
        return USUAL_PAGE_SIZE, pages
    sums = checksum(order, head[:24], (0, 0))
    if sums != (one, two):
        return USUAL_PAGE_SIZE, pages
    pending: dict[int, int] = {}
    while len(frame := log.read(24 + size)) == 24 + size:
        number, commits, *own, one, two = struct.unpack_from(">6I", frame)
        sums = checksum(order, frame[24:], checksum(order, frame[:8], sums))
        if own != salt or sums != (one, two):
            break
        pending[number] = log.tell() - size
        if commits:
            pages |= pending
            pending.clear()
    return size, pages


def checksum(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """Return the checksum of *data* behind what gave *sums*."""
    one, two = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even in words:
        one = one + even + two & 0xFFFFFFFF
        two = two + next(words) + one & 0xFFFFFFFF
    return one, two
