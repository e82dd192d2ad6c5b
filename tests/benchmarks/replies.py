"""
The reply time when every request has one record.

The client is in the standard library, and every figure includes its time.
"""

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path

from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.processes import Exporter, Server, delivering, nowhere

ROUNDS, QUICK_ROUNDS = 40, 10
PER_ROUND = 100
# After these requests the write-ahead log has its full size, and commits overwrite it,
# like in a service that has run for some minutes.
WARM_UP = 1000


async def measure(*, quick: bool) -> list[Figure]:
    """Alternate between three servers, so that a disturbance affects all of them."""
    with tempfile.TemporaryDirectory() as directory:
        async with (
            delivering() as (whole, _),
            Exporter(Path(directory), nowhere()) as storing,
            Server(Path(directory), "tests.benchmarks.bare") as bare,
        ):
            await storing.run()
            ports = whole.ingest_port, storing.ingest_port, bare.port
            taken = _in_turns(ports, QUICK_ROUNDS if quick else ROUNDS)
    both, stored, without = (percentile(times, 50) for times in taken)
    both_p99, stored_p99, _ = (percentile(times, 99) for times in taken)
    ratio = stored / without
    return [
        Figure("stored, p50", stored, "ms", at_most=1.0),
        Figure("stored, p99", stored_p99, "ms", at_most=10),
        Figure("stored and delivered at once, p50", both, "ms", at_most=1.0),
        Figure("stored and delivered at once, p99", both_p99, "ms", at_most=10),
        Figure("the same server without storing, p50", without, "ms"),
        Figure("stored, to without storing, p50", ratio, "x", at_most=2.5),
    ]


def _in_turns(ports: Iterable[int], rounds: int) -> list[list[float]]:
    """Return the milliseconds of all requests to each of *ports*."""
    bodies = map(records.user_task, count(1))
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(port)) for port in ports]
        for client in clients:
            send(client, islice(bodies, WARM_UP))
        taken: list[list[float]] = [[] for _ in clients]
        for _ in range(rounds):
            for client, times in zip(clients, taken, strict=True):
                for body in islice(bodies, PER_ROUND):
                    started = time.perf_counter()
                    send(client, [body])
                    times.append((time.perf_counter() - started) * 1000)
    return taken
