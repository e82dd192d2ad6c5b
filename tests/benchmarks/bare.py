"""
The ingest port of the exporter without a spool: what a reply costs by itself.

The same server, parser, mapping and metrics, but the spool answers at once and keeps
nothing. `python -m tests.benchmarks.bare PORT`.
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
    """Accepts everything, and keeps nothing."""

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
