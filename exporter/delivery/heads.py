"""
The head of an answer, read as generously as clients of the field read it.

Pure. Real servers send two equal lengths, a body behind a 204, header lines of 9 kB.
aiohttp's parser refuses such answers as a whole. It gets heads in our spelling instead,
reduced to what we use and to a framing without contradictions.
"""

import re
from typing import NamedTuple

import aiohttp

STATUS_LINE = re.compile(rb"HTTP/(\d(?:\.\d)?)[ \t]+([1-9]\d\d)(?!\d)", re.IGNORECASE)
END = re.compile(rb"\n\r?\n")
FOLD = re.compile(rb"\r?\n[ \t]+")
LENGTH = re.compile(rb"\d{1,18}")
CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
LONGEST = 512 * 1024
"""Bytes of a head: 1,000 header lines, and some of 64 KiB. What follows isn't read."""
LONGEST_VALUE = 4096
FRAMING = (b"content-length", b"transfer-encoding", b"connection")
USED = (b"retry-after", b"date", b"location", b"content-encoding")
BODILESS = (204, 304)
TIMEOUT = 408
SHOWN = 16
NO_HTTP = "the answer isn't HTTP"


class AnswerError(aiohttp.ClientError):
    """What a peer sent isn't a whole answer; the message quotes nothing of it."""

    def __init__(self, problem: str, data: bytes = b"") -> None:
        """Keep the first bytes of *data*, which may repeat a secret."""
        super().__init__(problem)
        self.begins = data[:SHOWN]


class Head(NamedTuple):
    """One head."""

    status: int
    size: int
    """How many bytes it took."""
    spelled: bytes
    """The head in our spelling; of an interim answer there is none."""


def head_of(data: bytes) -> Head | None:
    """Return what *data* begins with, None without its end; raises `AnswerError`."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    line, is_whole, _ = data[start : start + LONGEST].partition(b"\n")
    found = STATUS_LINE.match(line)
    if not found:
        if is_whole or not b"HTTP/".startswith(line[:5].upper()) or len(line) > SHOWN:
            raise AnswerError(NO_HTTP, data[start:])
        return None
    end = END.search(data, start)
    if not end and len(data) < LONGEST:
        return None
    size = end.end() if end else len(data)
    version, status = found[1], int(found[2])
    if status == 101:  # the connection would speak something else from here on
        raise AnswerError(NO_HTTP, data[start:])
    if status < 200:
        return Head(status, size, b"")
    fields = _fields(data[start:size])
    framing = _framing(version, status, fields, is_cut=not end)
    used = [(name, value) for name in USED for value in fields.get(name, [])]
    lines = (b"%b: %b\r\n" % field for field in [*framing, *used])
    return Head(status, size, b"HTTP/1.1 %d \r\n%b\r\n" % (status, b"".join(lines)))


def _fields(head: bytes) -> dict[bytes, list[bytes]]:
    """Return the values of the header fields that mean something here."""
    fields: dict[bytes, list[bytes]] = {}
    for line in FOLD.sub(b" ", head).split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name in FRAMING or name in USED:
            value = CONTROLS.sub(b" ", value)[:LONGEST_VALUE].strip()
            fields.setdefault(name, []).append(value)
    return fields


def _framing(
    version: bytes, status: int, fields: dict[bytes, list[bytes]], *, is_cut: bool
) -> list[tuple[bytes, bytes]]:
    """
    Return where the body ends, as one header at most, and whether the connection does.

    A contradiction ends it: where the next answer would begin is unsure.
    """
    lengths = set(_words(fields.get(b"content-length")))
    codings = _words(fields.get(b"transfer-encoding"))
    options = _words(fields.get(b"connection"))
    framing: list[tuple[bytes, bytes]] = []
    is_odd = is_cut or (bool(codings) and bool(lengths))
    if status in BODILESS:
        pass  # what comes nevertheless ends the connection
    elif codings and codings[-1] == b"chunked":
        framing = [(b"Transfer-Encoding", b"chunked")]
    elif not codings and len(lengths) == 1 and LENGTH.fullmatch(min(lengths)):
        framing = [(b"Content-Length", min(lengths))]
    else:
        is_odd = True  # the body ends with the connection
    stays = b"close" not in options and (
        version > b"1.0" or (version == b"1.0" and b"keep-alive" in options)
    )
    if is_odd or not stays or status == TIMEOUT:
        framing.append((b"Connection", b"close"))
    return framing


def _words(values: list[bytes] | None) -> list[bytes]:
    """Return the items of the lists that *values* are."""
    items = b",".join(values or []).lower().split(b",")
    return [item.strip() for item in items if item.strip()]
