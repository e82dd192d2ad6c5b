"""Any bytes are a head, a part of a head, or not HTTP."""

import asyncio
from contextlib import suppress
from unittest.mock import Mock

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser
from hypothesis import given
from hypothesis import strategies as st

from exporter.delivery.heads import AnswerError, head_of

NAMES = ["Content-Length", "Transfer-Encoding", "Connection", "Retry-After", "Date"]
VALUES = ["0", "2", "2, 2", "-1", "+2", "9" * 30, "chunked", "gzip, chunked", "close"]
LINES = st.builds(
    lambda *parts: b"".join(parts),
    st.sampled_from([each.encode() for each in [*NAMES, "Location", "X-A", ""]]),
    st.sampled_from([b": ", b":", b" : ", b"", b"\r"]),
    st.sampled_from([each.encode() for each in VALUES]) | st.binary(max_size=9),
)
CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.0 204", b"http/2 422 \xff\x00", b"HTTP/1.1 103 Hi"]
)


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda end: b"HTTP/" + end))
def test_any_bytes(data):
    """Any bytes are read, or refused with the expected error."""
    head = None
    with suppress(AnswerError):
        head = head_of(data)

    assert head is None or 100 <= head.status <= 999


@given(STATUS_LINES, st.lists(LINES, max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_any_lines(status_line, lines, end):
    """After a valid status line, aiohttp's parser accepts the normalized head."""
    data = end.join([status_line, *lines, b"", b""])

    head = head_of(data)

    assert data.startswith(status_line)
    assert str(head.status).encode() in status_line
    if head.normalized:
        protocol = BaseProtocol(Mock(asyncio.AbstractEventLoop))
        parser = HttpResponseParser(protocol, protocol._loop, 2**16)
        ((message, _),), upgraded, rest = parser.feed_data(head.normalized)
        assert (message.code, upgraded, rest) == (head.status, False, b"")


@pytest.mark.parametrize("size", [10, 100, 200])
def test_byte_by_byte(size):
    """The end of a head is found, however its bytes are split."""
    data = b"HTTP/1.1 200 OK\r\nX-A: %b\r\nContent-Length: 2\r\n\r\nok" % (b"a" * size)
    ends = [length for length in range(len(data) + 1) if head_of(data[:length])]

    assert ends == [len(data) - 2, len(data) - 1, len(data)]
    assert {head_of(data[:end]).size for end in ends} == {len(data) - 2}


@pytest.mark.parametrize(
    "lines, framing",
    [
        (b"1.1 200\r\ncontent-length: 2, 2", b"Content-Length: 2\r\n"),
        (b"1.1 200\r\nContent-Length: 2\r\nContent-Length: 3", CLOSE),
        (b"1.1 204\r\nContent-Length: 2", b""),
        (b"1.0 200\r\nContent-Length: 2", b"Content-Length: 2\r\n" + CLOSE),
        (
            b"1.0 200\r\nContent-Length: 2\r\nConnection: keep-alive",
            b"Content-Length: 2\r\n",
        ),
        (b"1.1 200\r\nTransfer-Encoding: chunked", CHUNKED),
        (
            b"1.1 200\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
            CHUNKED + CLOSE,
        ),
        (b"1.1 408\r\nContent-Length: 0", b"Content-Length: 0\r\n" + CLOSE),
        (b"1.1 200", CLOSE),
    ],
)
def test_framing(lines, framing):
    """The length of a body is given once; after a contradiction the connection ends."""
    head = head_of(b"HTTP/%b\r\n\r\n" % lines)

    assert head.normalized.partition(b"\r\n")[2] == framing + b"\r\n"
