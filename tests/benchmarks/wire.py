"""
A kept-alive connection with one request at a time, like an 8.6 broker's.

It is a plain socket, because the client's own time counts in the measurement.
"""

import socket

from devkit.arguments import exporters
from devkit.processes import LOOPBACK
from devkit.requests import RequestBuilder
from exporter.broker.environment import broker_environment

READ = 256 * 1024

VARIABLES = broker_environment("8.6.0", f"http://{LOOPBACK}:9280")
(ARGUMENTS,) = exporters(VARIABLES, "8.6.0").values()
EMPTY = RequestBuilder(ARGUMENTS).bulk(())


def request(body: bytes) -> bytes:
    """Return the bulk request with *body* in its wire form."""
    return EMPTY._replace(body=body).encoded()


def connected(port: int) -> socket.socket:
    """Return a connection to an ingest port."""
    connection = socket.create_connection((LOOPBACK, port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send(connection: socket.socket, *requests: bytes) -> None:
    """Send *requests* one after the other; anything but a success raises."""
    for data in requests:
        connection.sendall(data)
        answer = connection.recv(READ)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += _more(connection)
        head = answer[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"not accepted: {answer[:500]!r}")
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        received = len(answer) - end - 4
        while received < length:
            received += len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(READ)
    if not data:
        raise ConnectionError("the connection was closed before the answer")
    return data
