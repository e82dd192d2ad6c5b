"""The rate with a slow backend, by the number of requests in flight."""

from tests.benchmarks import records
from tests.benchmarks.client import connected, send
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import delivering
from tests.benchmarks.throughput import PER_REQUEST

LATENCY_SECONDS = 0.1
BATCH = 50
SLOTS, QUICK_SLOTS = (1, 2, 4, 8, 16), (1, 4, 16)
TARGETS = {4: 1_900}
"""The target rate with the default number of requests in flight."""
BATCHES, QUICK_BATCHES = 40, 20


async def measure(*, quick: bool) -> list[Figure]:
    """Fill the spool, then measure how fast it drains."""
    batches = QUICK_BATCHES if quick else BATCHES
    rates = {
        slots: await _rate(slots, batches * slots * BATCH)
        for slots in (QUICK_SLOTS if quick else SLOTS)
    }
    return [
        *(
            Figure(f"{slots} in flight", rate, "events/s", at_least=TARGETS.get(slots))
            for slots, rate in rates.items()
        ),
        Figure("16 in flight to 1", rates[16] / rates[1], "x", at_least=0.9 * 16),
    ]


async def _rate(slots: int, number: int) -> float:
    bodies = list(records.bodies(range(1, number + 1), PER_REQUEST))
    started = delivering(latency=LATENCY_SECONDS, MAX_BATCHES_IN_FLIGHT=slots)
    async with started as (exporter, receiver):
        with connected(exporter.ingest_port) as connection:
            send(connection, bodies)
        seen = receiver.complete(number)
    return number / (seen.last - seen.first)
