"""A stub of Elasticsearch that records what another exporter of the broker sends."""

import json
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
    """Accepts all requests, and stores every record."""

    def __init__(self) -> None:
        super().__init__(self._accept)
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
        if request.path != "/_bulk":
            return ACKNOWLEDGED
        documents = request.body.split(b"\n")[1::2]
        self.records.extend(Recorded(request.at, each) for each in documents)
        return ACCEPTED
