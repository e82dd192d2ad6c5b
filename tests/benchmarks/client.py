"""A client that sends like one partition's exporter: one request after another."""

import contextlib
from collections.abc import Iterable
from http import HTTPStatus
from http.client import HTTPConnection

from devkit.processes import LOOPBACK

HEADERS = {"Content-Type": "application/x-ndjson"}


def connected(port: int) -> contextlib.closing[HTTPConnection]:
    """Return a connection to an ingest port, for `with`."""
    return contextlib.closing(HTTPConnection(LOOPBACK, port, timeout=60))


def send(connection: HTTPConnection, bodies: Iterable[bytes]) -> None:
    """Send bulk requests one after the other; anything but a success raises."""
    for body in bodies:
        connection.request("POST", "/_bulk", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"not accepted: {answer.status}")
