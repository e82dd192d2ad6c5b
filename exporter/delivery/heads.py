"""
Read the head of an answer as generously as common clients do.

Pure. Real servers send two equal lengths, a body after a 204, or header lines of 9 kB,
and aiohttp's parser rejects such answers. It gets a normalized head instead, with the
headers that we use and without contradictions about the length of the body.
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
"""The longest head: 1,000 header lines, and some of 64 KiB. The rest isn't read."""
LONGEST_VALUE = 4096
FRAMING = (b"content-length", b"transfer-encoding", b"connection")
USED = (b"retry-after", b"date", b"location", b"content-encoding")
UNPACKED = (b"gzip", b"deflate")
"""Encodings that aiohttp removes; a body with another one is shown as it is."""
BODILESS = (204, 304)
TIMEOUT = 408
SHOWN = 16
NO_HTTP = "the answer isn't HTTP"


class AnswerError(aiohttp.ClientError):
    """An answer can't be read; the message doesn't quote the answer."""

    def __init__(self, problem: str, data: bytes = b"") -> None:
        super().__init__(problem)
        self.begins = data[:SHOWN]
        """The first bytes of the answer, which may repeat a secret."""


class Head(NamedTuple):
    """The head of one answer."""

    status: int
    size: int
    """How many bytes were read."""
    normalized: bytes
    """Empty for an interim answer."""


def head_of(data: bytes) -> Head | None:
    """Return the head at the start of *data*, or None while it is incomplete."""
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
    if status == 101:  # the connection would continue with another protocol
        raise AnswerError(NO_HTTP, data[start:])
    if status < 200:
        return Head(status, size, b"")
    fields = _fields(data[start:size])
    framing = _framing(version, status, fields, is_cut=not end)
    used = {name: fields[name] for name in USED if fields[name]}
    lines = (b"%b: %b\r\n" % field for field in (framing | used).items())
    return Head(status, size, b"HTTP/1.1 %d \r\n%b\r\n" % (status, b"".join(lines)))


def _fields(head: bytes) -> dict[bytes, bytes]:
    """Return the values of the headers that are used here, empty ones included."""
    fields = dict.fromkeys([*FRAMING, *USED], b"")
    for line in FOLD.sub(b" ", head).split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        if (name := name.strip().lower()) in fields:
            values = filter(None, [fields[name], CONTROLS.sub(b" ", value).strip()])
            fields[name] = b", ".join(values)[:LONGEST_VALUE]
    if fields[b"content-encoding"].lower() not in UNPACKED:
        fields[b"content-encoding"] = b""
    return fields


def _framing(
    version: bytes, status: int, fields: dict[bytes, bytes], *, is_cut: bool
) -> dict[bytes, bytes]:
    """
    Return at most one header for the body's length, and `Connection: close` if needed.

    After a contradiction the connection closes, because the start of the next answer is
    unknown.
    """
    lengths, codings, options = (_items(fields[name]) for name in FRAMING)
    framing = {}
    is_odd = is_cut or (bool(codings) and bool(lengths))
    if status in BODILESS:
        pass  # a body would end the connection
    elif codings and codings[-1] == b"chunked":
        framing[b"Transfer-Encoding"] = b"chunked"
    elif not codings and len({*lengths}) == 1 and LENGTH.fullmatch(lengths[0]):
        framing[b"Content-Length"] = lengths[0]
    else:
        is_odd = True  # the body ends with the connection
    stays = b"close" not in options and (
        version > b"1.0" or (version == b"1.0" and b"keep-alive" in options)
    )
    if is_odd or not stays or status == TIMEOUT:
        framing[b"Connection"] = b"close"
    return framing


def _items(text: bytes) -> list[bytes]:
    """Return the items of a comma-separated list."""
    items = text.lower().split(b",")
    return [item.strip() for item in items if item.strip()]
