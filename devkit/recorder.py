"""
A stub of Elasticsearch that records what another exporter of the broker sends.

Run it with `python -m devkit.recorder PORT [ADDRESS]`. `GET /seen` shows the number of
records and the time of the last one, in seconds since 1970.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from devkit.backend import Answer, Request, Stub

HEADERS = {"Content-Type": "application/json", "X-Elastic-Product": "Elasticsearch"}
ACCEPTED = Answer(200, HEADERS, b'{"took":0,"errors":false,"items":[]}')
ACKNOWLEDGED = Answer(200, HEADERS, b'{"acknowledged":true}')


@dataclass(frozen=True)
class Recorded:
    """One exported record, and the time when it arrived."""

    at: float
    line: bytes

    @cached_property
    def record(self) -> dict[str, Any]:
        """The record; parsed late, so that a benchmark measures the sender alone."""
        record: dict[str, Any] = json.loads(self.line)
        return record


class Recorder(Stub):
    """Stores every record; `async with` runs it."""

    def __init__(self, *, port: int = 0) -> None:
        """Accept all requests."""
        super().__init__(self._accept, port=port)
        self.records: list[Recorded] = []

    def of(self, instance: str, intent: str | None = None) -> list[dict[str, Any]]:
        """Return the records of one process instance, oldest first."""
        return [
            each.record
            for each in self.records
            if str(each.record["value"].get("processInstanceKey")) == instance
            and intent in (None, each.record["intent"])
        ]

    def _accept(self, request: Request) -> Answer:
        if request.path == "/seen":
            last = self.records[-1].at if self.records else 0.0
            seen = {"records": len(self.records), "last": last}
            return Answer(200, HEADERS, json.dumps(seen).encode())
        if request.path != "/_bulk":
            return ACKNOWLEDGED
        documents = request.body.split(b"\n")[1::2]
        self.records.extend(Recorded(request.at, each) for each in documents)
        return ACCEPTED


async def serve(stub: Stub) -> None:
    """Serve until the process ends."""
    async with stub:
        await asyncio.Event().wait()


if __name__ == "__main__":
    recorder = Recorder(port=int(sys.argv[1]))
    recorder.host = (sys.argv[2:] or [recorder.host])[0]
    asyncio.run(serve(recorder))
