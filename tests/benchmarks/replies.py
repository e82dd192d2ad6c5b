"""
How long an answer takes when every request has one record.

The client is the standard library's, and its own time is part of every figure.
"""

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import count, islice
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.processes import Exporter, backend, nowhere, serving
from tests.benchmarks.wire import LOOPBACK

ROUNDS, QUICK_ROUNDS = 40, 10
PER_ROUND = 100
# By then the write-ahead log has its full size, and commits overwrite it: as in a
# service that has been running for more than a few minutes.
WARM_UP = 1000

HEADERS = {"Content-Type": "application/x-ndjson"}


def measure(*, quick: bool) -> list[Figure]:
    """Take turns between three servers, so that whatever disturbs disturbs all."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(backend())
        whole = Exporter(directory / "whole", receiver.url)
        storing = Exporter(directory / "storing", nowhere())
        clients = {
            "whole": _client(stack.enter_context(whole.running()).ingest_port),
            "storing": _client(stack.enter_context(storing.running()).ingest_port),
            "bare": _client(stack.enter_context(serving("tests.benchmarks.bare"))),
        }
        bodies = map(records.user_task, count(1))
        for client in clients.values():
            _milliseconds(client, islice(bodies, WARM_UP))
        taken: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for name, client in clients.items():
                taken[name] += _milliseconds(client, islice(bodies, PER_ROUND))
    p50 = {name: percentile(times, 50) for name, times in taken.items()}
    p99 = {name: percentile(times, 99) for name, times in taken.items()}
    return [
        Figure(name="stored, p50", value=p50["storing"], unit="ms", at_most=1.0),
        Figure(name="stored, p99", value=p99["storing"], unit="ms", at_most=10),
        Figure(
            name="stored and delivered at once, p50",
            value=p50["whole"],
            unit="ms",
            at_most=1.0,
        ),
        Figure(
            name="stored and delivered at once, p99",
            value=p99["whole"],
            unit="ms",
            at_most=10,
        ),
        Figure(
            name="the same server without storing, p50", value=p50["bare"], unit="ms"
        ),
        Figure(
            name="stored, to without storing, p50",
            value=p50["storing"] / p50["bare"],
            unit="x",
            at_most=2.5,
        ),
    ]


def _client(port: int) -> HTTPConnection:
    return HTTPConnection(LOOPBACK, port, timeout=60)


def _milliseconds(client: HTTPConnection, bodies: Iterable[bytes]) -> list[float]:
    """Return how long it took from sending each of *bodies* to its whole answer."""
    times = []
    for body in bodies:
        started = time.perf_counter()
        client.request("POST", "/_bulk", body, HEADERS)
        response = client.getresponse()
        response.read()
        times.append((time.perf_counter() - started) * 1000)
        if response.status != HTTPStatus.OK:
            raise RuntimeError(f"not accepted: {response.status}")
    return times
