"""
A backend process that accepts everything after a fixed time.

Run it with `python -m tests.benchmarks.backend PORT LATENCY_SECONDS`. It reads only the
header `X-Event-Ids`, to use as little processor time as possible.
"""

import asyncio
import json
import sys
import time

import uvloop

from devkit.backend import Answer, Request, Stub

ACCEPTED = Answer()


class Receiver(Stub):
    """Counts events; `GET /<at least>` waits for a count, and shows it with times."""

    def __init__(self, port: int, latency: float) -> None:
        """Answer each request after *latency* seconds."""
        super().__init__(port=port)
        self._latency = latency
        self._identities: set[str] = set()
        self._seen = {"events": 0, "repeats": 0, "first": 0.0, "last": 0.0}
        self._changed = asyncio.Condition()

    async def respond(self, request: Request) -> Answer:
        """Accept events, or wait for enough of them and show the count."""
        seen, identities = self._seen, self._identities
        async with self._changed:
            if request.method == "GET":
                wanted = int(request.path[1:] or 0)
                await self._changed.wait_for(lambda: len(identities) >= wanted)
                return Answer(body=json.dumps(seen).encode())
        seen["first"] = seen["first"] or time.monotonic()
        if self._latency:
            await asyncio.sleep(self._latency)
        before, ids = len(identities), request.ids
        identities.update(ids)
        seen["repeats"] += len(ids) - (len(identities) - before)
        seen["events"], seen["last"] = len(identities), time.monotonic()
        async with self._changed:
            self._changed.notify_all()
        return ACCEPTED


async def serve(receiver: Receiver) -> None:
    """Serve until the process ends."""
    async with receiver:
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Receiver(int(sys.argv[1]), float(sys.argv[2]))))
