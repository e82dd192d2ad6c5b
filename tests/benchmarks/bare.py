"""
The ingest port of the exporter with nothing behind it: what a reply costs by itself.

The same server, parser, mapping and metrics; only the spool answers at once and keeps
nothing. Prints its port.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import uvloop

from exporter.events import Mapper
from exporter.ingest import OPTIONS, Ingest
from exporter.listening import listening
from exporter.operations.metrics import Metrics
from exporter.operations.observer import Observer
from exporter.spool import Accepted
from tests.benchmarks.wire import LOOPBACK


class NoSpool:
    """Takes everything, and keeps nothing."""

    async def append(self, *_: Sequence[Any]) -> Accepted:
        """Return at once."""
        return Accepted((), kept_aside=0, repeats=0, epochs=())


async def serve() -> None:
    """Print the port, and serve until killed."""
    ingest = Ingest(NoSpool(), Observer(Metrics()), Mapper())  # type: ignore[arg-type]
    async with listening(
        ingest.app(),
        LOOPBACK,
        0,
        names=("", ""),
        **OPTIONS,
    ) as port:
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
