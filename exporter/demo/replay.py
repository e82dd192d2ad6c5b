"""
Play a broker's part: send what a real one sent, to the same port, at the same pace.

The recording is of the walk-through, whole requests of an unmodified 8.6.0 broker. It's
part of the package, not of the tests, because an installed demo needs it too.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp

from exporter.demo.audience import Audience
from exporter.demo.backend import Arrival, Backend
from exporter.demo.errors import ReplayError
from exporter.demo.ports import usual_port
from exporter.demo.report import Summary, summarize
from exporter.demo.screen import HOW_TO_READ, Screen
from exporter.demo.service import usual_service

RECORDING = "recorded-8.6.0.jsonl"

# What the backend is told of a user task, of all that the broker records.
TOLD = frozenset({"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"})

# As the broker: the same request again, for ever. But a demo gives up.
ATTEMPTS = 20
PAUSE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded request and when it came, counted from the first."""

    after_ms: int
    method: str
    path: str
    body: str

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """The documents of a bulk request, without the action lines."""
        return map(json.loads, self.body.split("\n")[1::2] if self.is_bulk else ())

    @property
    def is_bulk(self) -> bool:
        """Whether it brings records, and doesn't ask for an index."""
        return self.path == "/_bulk"


def recorded() -> list[Request]:
    """Return the whole recording."""
    source = resources.files("exporter.demo") / "data" / RECORDING
    return [Request(**json.loads(line)) for line in source.open(encoding="utf-8")]


async def replayed(work: Path, screen: Screen) -> Summary:
    """Replay the recording through an exporter, and see that each event arrives."""
    requests = recorded()
    expected = _expected(requests)
    sent: dict[str, float] = {}

    def since_sent(arrival: Arrival) -> float:
        return arrival.at - sent[arrival.identity]

    async def nothing(_: Arrival) -> None:
        """Nobody acts on a recording."""

    async with AsyncExitStack() as running:
        backend = Backend(port=usual_port(9290, "the stub backend", screen.say))
        await running.enter_async_context(backend)
        service = usual_service(work, backend.url, screen.say)
        running.push_async_callback(service.stop)
        with screen.waiting("Starting the exporter"):
            await service.start()
        screen.explain("What you see", HOW_TO_READ)

        audience = Audience(backend, screen, since_sent)
        await asyncio.gather(
            send(requests, service.ingest_url, sent),
            audience.watch(sum(map(len, expected.values())), nothing),
        )
        # It delivers what it holds, so nothing can come after it has ended.
        await service.stop()
        summary = summarize("replay", expected, backend.arrivals, since_sent)
        screen.summary(summary)
    return summary


async def send(requests: list[Request], url: str, sent: dict[str, float]) -> None:
    """Post *requests* at their pace; *sent* gets the time of each record's identity."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        for request in requests:
            due = began + request.after_ms / 1000
            await asyncio.sleep(max(0, due - time.monotonic()))
            sent.update(dict.fromkeys(map(_identity, request.records), time.time()))
            await _post(session, url, request)


async def _post(session: aiohttp.ClientSession, url: str, request: Request) -> None:
    for _ in range(ATTEMPTS):
        async with session.request(
            request.method, f"{url}{request.path}", data=request.body.encode()
        ) as answer:
            if answer.status == 200:
                return
        await asyncio.sleep(PAUSE_SECONDS)
    raise ReplayError(
        f"The exporter answered {answer.status} again and again",
        remedy="Its log says why.",
    )


def _expected(requests: list[Request]) -> dict[str, list[str]]:
    expected: dict[str, list[str]] = {}
    for request in requests:
        for record in request.records:
            if record["recordType"] == "EVENT" and record["intent"] in TOLD:
                instance = str(record["value"]["processInstanceKey"])
                expected.setdefault(instance, []).append(record["intent"])
    return expected


def _identity(record: dict[str, Any]) -> str:
    return f"{record['partitionId']}-{record['position']}-{record['timestamp']}"
