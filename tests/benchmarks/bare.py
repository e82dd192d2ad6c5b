"""
The exporter's ingest port without a spool, to measure the cost of a reply alone.

Server, parser, mapping and metrics are real, but the spool answers at once and stores
nothing. Run it with `python -m tests.benchmarks.bare PORT`.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from devkit.processes import LOOPBACK
from exporter.events import Mapper
from exporter.ingest import OPTIONS, Ingest
from exporter.net.listening import listening
from exporter.spool import Accepted
from exporter.watch.service import ServiceObserver


class NoSpool:
    """Accepts everything and stores nothing."""

    async def append(self, *_: Sequence[Any]) -> Accepted:
        """Return at once."""
        return Accepted((), dead_letters=0, repeats=0, epochs=())


async def serve(port: int) -> None:
    """Serve until killed."""
    ingest = Ingest(NoSpool(), ServiceObserver(), Mapper())  # type: ignore[arg-type]
    async with listening(ingest.app(), LOOPBACK, port, names=("", ""), **OPTIONS):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
