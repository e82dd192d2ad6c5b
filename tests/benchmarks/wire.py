"""
A connection like the broker's: kept alive, one request at a time, bodies in chunks.

A plain socket, because the client's own time counts in what is measured.
"""

import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"

HEAD = (
    b"POST /_bulk HTTP/1.1\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Content-Type: application/x-ndjson\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Connection: Keep-Alive\r\n"
    b"User-Agent: elasticsearch-java/8.13.4 (Java/21.0.8)\r\n"
    b"\r\n"
)
CHUNK = 4096
READ = 256 * 1024


def request(body: bytes) -> bytes:
    """Return the bulk request with *body* as the bytes that go over the wire."""
    chunks = (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))
    framed = (b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"".join((HEAD, *framed, b"0\r\n\r\n"))


class Connection:
    """One connection to an ingest port; anything but a success raises."""

    def __init__(self, port: int) -> None:
        """Connect to *port* on the loopback."""
        self._socket = socket.create_connection((LOOPBACK, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        """Serve within the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send *data*, made by `request`, and return when it's accepted."""
        self._socket.sendall(data)
        answer = self._socket.recv(READ)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"not accepted: {answer[:500]!r}")
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        received = len(answer) - end - 4
        while received < length:
            received += len(self._more())

    def send_all(self, requests: Iterable[bytes]) -> None:
        """Send *requests* one after the other."""
        for data in requests:
            self.send(data)

    def _more(self) -> bytes:
        data = self._socket.recv(READ)
        if not data:
            raise ConnectionError("the connection was closed before the answer")
        return data
