"""
Broker, exporter and backend, with a proxy on each side of the exporter.

    StubBroker ── front proxy ── Exporter (a process) ── back proxy ── StubBackend
"""

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Self

from devkit.backend import PATH
from devkit.processes import LOOPBACK, ROOT
from devkit.proxy import Proxy
from devkit.waiting import eventually
from tests.faults.broker import Load, StubBroker
from tests.faults.exporter import Exporter
from tests.faults.history import History
from tests.faults.oracle import Counts, meaningless
from tests.faults.plan import Cuts, Plan
from tests.faults.stub import StubBackend

ATTEMPTS = "delivery_attempts_total"
DEAD_LETTERS = "spool_dead_letters"
OTHERS = 20
"""Posts after the last bad event, so that it becomes a dead letter."""
PROBE_SECONDS = 45.0
"""The longest time until a recovered backend gets the next request."""

FRONT_BYTES, BACK_BYTES = 200_000, 100_000
"""Mean bytes until a cut, for connections to the exporter and to the backend."""

SLOTS = 4
BATCH = 20
IN_FLIGHT = (2 * SLOTS + 1) * BATCH
"""Each slot posts one batch and settles another; one more batch may be parked."""

SETTINGS = {
    "MAX_BATCHES_IN_FLIGHT": SLOTS,
    "BATCH_SIZE": BATCH,
    "REQUEST_TIMEOUT_MS": 1500,
}


@dataclass(frozen=True)
class Setup:
    """The parts and faults of a run."""

    directory: Path
    seed: str
    plan: Plan
    load: Load = field(default_factory=Load)
    cuts: bool = False
    """Whether proxies cut connections."""
    source: Path = ROOT
    """The directory with the `exporter` package to run."""
    settings: dict[str, object] = field(default_factory=dict)
    tls: SSLContext | None = None
    """The backend's certificate, or None for plain HTTP."""


class Rig:
    """All parts of a run, and the history that they write."""

    def __init__(self, setup: Setup) -> None:
        seed = setup.seed
        self.history = History()
        self.chance = random.Random(f"{seed}/rig")  # noqa: S311 - no secret
        self.plan = setup.plan
        self.backend = StubBackend(self.history, setup.plan, setup.tls)
        self._cuts = (
            Cuts(f"{seed}/before", FRONT_BYTES * setup.cuts),
            Cuts(f"{seed}/behind", BACK_BYTES * setup.cuts),
        )
        self.front, self.back = (Proxy(next_cut=each.next) for each in self._cuts)
        self.back.target = self.backend.port
        scheme = "https" if setup.tls else "http"
        self.exporter = Exporter(
            setup.directory,
            f"{scheme}://{LOOPBACK}:{self.back.port}{PATH}",
            self.history,
            setup.source,
            **SETTINGS | setup.settings,
        )
        self.front.target = self.exporter.ingest_port
        bulk = f"http://{LOOPBACK}:{self.front.port}/_bulk"
        self.broker = StubBroker(self.history, bulk, seed, setup.load)
        self._stack = AsyncExitStack()
        self.exporting: asyncio.Task[None] | None = None
        """The broker's task; it ends with `settle`, or with an error of the test."""

    async def __aenter__(self) -> Self:
        for part in (self.exporter, self.backend, self.back, self.front):
            await self._stack.enter_async_context(part)
        self.exporting = asyncio.create_task(self.broker.run(), name="broker")
        self._stack.push_async_callback(self._end_broker, self.exporting)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def kill_at(self, moment: str, count: int, within: float) -> None:
        """Kill the exporter at the *count*-th *moment*, or after *within* seconds."""
        done = asyncio.Event()
        left = count

        def watch(what: str) -> None:
            nonlocal left
            left -= what == moment
            if left <= 0 and not done.is_set():
                self.exporter.crash()
                done.set()

        self.history.watch = watch
        try:
            await asyncio.wait_for(done.wait(), within)
        except TimeoutError:
            if not done.is_set():  # the moment may come at the timeout
                self.exporter.crash()
        finally:
            self.history.watch = lambda _: None

    async def away(self, seconds: float) -> None:
        """Refuse connections to the backend for *seconds*."""
        assert self.exporting
        await self.back.down()
        await asyncio.wait([self.exporting], timeout=seconds)
        await self.back.up()

    async def fails(self, outcome: str) -> None:
        """Wait until one more attempt has *outcome*."""
        metric = f"{ATTEMPTS} {outcome}"
        before = (await self.exporter.metrics()).get(metric, 0.0)
        await self.exporter.shows(metric, before + 1, within=PROBE_SECONDS)

    async def recovers(self) -> None:
        """Wait until all events of the outage are delivered."""
        held_up = set(self.history.missing)
        await eventually(
            lambda: held_up.isdisjoint(self.history.missing), within=PROBE_SECONDS
        )

    async def enough(self, needs: Counts, within: float) -> None:
        """Wait until the history meets *needs*, at most *within* seconds."""

        def happened() -> bool:
            self._count_cuts()
            return not any(meaningless(self.history, needs))

        await self._perhaps(happened, within)

    async def delivers(self, number: int, within: float) -> None:
        """Wait until *number* events are delivered, at most *within* seconds."""
        await self._perhaps(lambda: self.history.delivered >= number, within)

    async def settle(self, within: float) -> None:
        """End all faults; wait until nothing is missing, at most *within* per step."""
        assert self.exporting
        await self._heal()
        if self.history.bad:
            # A bad event becomes a dead letter only after another event is delivered.
            before = len(self.history.recorded)
            await self._perhaps(
                lambda: len(self.history.recorded) > before + OTHERS, within
            )
        self.broker.finish()
        await self._perhaps(self.exporting.done, within)
        await self._perhaps(lambda: not self.history.missing, within)
        owed = len(self.history.unmappable) + len(self.history.owed & self.history.bad)
        with suppress(AssertionError):
            await self.exporter.shows(DEAD_LETTERS, owed, within=within)
        self.history.dead = int((await self.exporter.metrics()).get(DEAD_LETTERS, -1))
        self._count_cuts()
        await self.exporter.finish()

    async def _heal(self) -> None:
        self.history.peace = True
        self.plan.healed = True
        self.backend.answer = 200
        for proxy, cuts in zip((self.front, self.back), self._cuts, strict=True):
            cuts.healed = True
            proxy.answer = None
            # This also drops connections with a planned cut.
            await proxy.drop()

    def _count_cuts(self) -> None:
        self.history.cuts = self.front.cuts + self.back.cuts

    async def _perhaps(self, condition: Callable[[], bool], within: float) -> None:
        """Wait for *condition*; if it stays false, the oracle finds the reason."""
        with suppress(AssertionError):
            await eventually(
                lambda: condition() or self.exporter.has_ended, within=within
            )

    async def _end_broker(self, exporting: asyncio.Task[None]) -> None:
        exporting.cancel()
        await asyncio.gather(exporting, return_exceptions=True)


def a_seed(usual: str = "1") -> str:
    """Return the seed in FAULT_SEED, which defaults to *usual*."""
    return os.environ.get("FAULT_SEED") or usual
