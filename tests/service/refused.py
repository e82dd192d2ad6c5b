"""Events that become dead letters."""

import asyncio

from devkit.backend import Answer
from devkit.waiting import eventually
from tests.records import tasks

NASTY = b'{"error":"\x1b[2J no such user \xc2\x9b"}'


def refusing(*bad, status=422, body=b""):
    """Return the answers of a backend that refuses events at *bad* positions."""
    no = Answer(status, body=body)
    return lambda post: no if set(bad) & set(post.positions) else 200


async def kept(exporter, count):
    """Return as soon as there are *count* dead letters, and nothing waits."""
    async with asyncio.timeout(30):
        metrics = await exporter.metrics()
        while (metrics["spool_dead_letters"], metrics["spool_events"]) != (count, 0):
            metrics = await exporter.metrics()


async def given_up(exporter, backend, *positions, bad, answer=NASTY):
    """Let the *bad* ones of *positions* become dead letters."""
    backend.answer = refusing(*bad, body=answer)
    delivered = len(backend.positions) + len(positions) - len(bad)
    await exporter.bulk(tasks(*positions))
    await eventually(lambda: len(backend.positions) == delivered)
    await kept(exporter, len(bad))
