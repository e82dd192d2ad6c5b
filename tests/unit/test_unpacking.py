"""Compressed answers are decompressed, up to a limit."""

import gzip
import zlib

import pytest

from exporter.delivery.answers import unpacked

TEXT = b'{"error": "no such user"}'
RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    "body, encoding, shown",
    [
        (TEXT, "", TEXT),
        (TEXT, "identity", TEXT),
        (gzip.compress(TEXT, mtime=0), "gzip", TEXT),
        (gzip.compress(TEXT, mtime=0), "X-GZip", TEXT),
        (gzip.compress(TEXT, mtime=0), "", TEXT),
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip", TEXT),
        (zlib.compress(TEXT), "deflate", TEXT),
        (RAW.compress(TEXT) + RAW.flush(), "deflate", TEXT),
        (gzip.compress(zlib.compress(TEXT), mtime=0), "deflate, gzip", TEXT),
        (TEXT, "gzip", b"(compressed)"),
        (b"\x1b\x02", "br", b"(compressed)"),
        (b"", "gzip", b""),
    ],
)
def test_what_is_shown(body, encoding, shown):
    """The text is decompressed, or replaced if that isn't possible."""
    assert unpacked(body, encoding, 1000) == shown


def test_a_bomb():
    """No more than the limit is decompressed."""
    assert len(unpacked(gzip.compress(bytes(10**7)), "gzip", 1000)) == 1000
