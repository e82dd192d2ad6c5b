"""Decompress answers, which some servers compress without being asked. Pure."""

import zlib

GZIP_OR_ZLIB, RAW = 47, -15
GZIP = b"\x1f\x8b"


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return *body* without its Content-*encoding*: at most *most* bytes."""
    for name in reversed(encoding.lower().split(",")):
        if name.strip() in ("gzip", "x-gzip", "deflate") or body.startswith(GZIP):
            body = _inflated(body, most)
        elif name.strip() not in ("", "identity"):
            return b"(compressed)"
    return body


def _inflated(body: bytes, most: int) -> bytes:
    for form in (GZIP_OR_ZLIB, RAW):
        try:
            return zlib.decompressobj(form).decompress(body, most)
        except zlib.error:
            continue
    return b"(compressed)"
