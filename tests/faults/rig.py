"""
Broker, exporter and backend with a proxy on either side, for the length of a block.

    StubBroker ── Proxy ── Exporter (a process) ── Proxy ── StubBackend
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
"""Posts that follow the last bad event."""
PROBE_SECONDS = 45.0
"""How long it may take until a backend that is well again gets the next request."""

BEFORE_BYTES, BEHIND_BYTES = 200_000, 100_000
"""How much a connection to the exporter, and one to the backend, carries on average."""

SLOTS = 4
BATCH = 20
IN_FLIGHT = (2 * SLOTS + 1) * BATCH
"""A slot posts one batch while it settles another; one more batch may be parked."""

SETTINGS = {
    "MAX_BATCHES_IN_FLIGHT": SLOTS,
    "BATCH_SIZE": BATCH,
    "REQUEST_TIMEOUT_MS": 1500,
}


@dataclass(frozen=True)
class Setup:
    """What runs, and how much goes wrong."""

    directory: Path
    seed: str
    plan: Plan
    load: Load = field(default_factory=Load)
    cuts: bool = False
    """Whether proxies break connections off."""
    source: Path = ROOT
    """The directory of the `exporter` package that is run."""
    settings: dict[str, object] = field(default_factory=dict)
    tls: SSLContext | None = None
    """The backend's certificate; None is plain HTTP."""


class Rig:
    """All parts of a run, and the history that they write."""

    def __init__(self, setup: Setup) -> None:
        """Prepare *setup*; nothing runs yet."""
        seed = setup.seed
        self.history = History()
        self.chance = random.Random(f"{seed}/rig")  # noqa: S311 - no secret
        self.plan = setup.plan
        self.backend = StubBackend(self.history, setup.plan, setup.tls)
        self._cuts = (
            Cuts(f"{seed}/before", BEFORE_BYTES * setup.cuts),
            Cuts(f"{seed}/behind", BEHIND_BYTES * setup.cuts),
        )
        self.before, self.behind = (Proxy(next_cut=each.next) for each in self._cuts)
        self.behind.target = self.backend.port
        scheme = "https" if setup.tls else "http"
        self.exporter = Exporter(
            setup.directory,
            f"{scheme}://{LOOPBACK}:{self.behind.port}{PATH}",
            self.history,
            setup.source,
            **SETTINGS | setup.settings,
        )
        self.before.target = self.exporter.ingest_port
        bulk = f"http://{LOOPBACK}:{self.before.port}/_bulk"
        self.broker = StubBroker(self.history, bulk, seed, setup.load)
        self._stack = AsyncExitStack()
        self.exporting: asyncio.Task[None] | None = None
        """The broker's side; ends with `settle`, or with a mistake of its own."""

    async def __aenter__(self) -> Self:
        """Begin to export; nobody accepts anything yet."""
        for part in (self.exporter, self.backend, self.behind, self.before):
            await self._stack.enter_async_context(part)
        self.exporting = asyncio.create_task(self.broker.run(), name="broker")
        self._stack.push_async_callback(self._end_broker, self.exporting)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing running."""
        await self._stack.aclose()

    async def kill_at(self, moment: str, count: int, within: float) -> None:
        """Kill the exporter at the *count*-th *moment* from now, or when time is up."""
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
            if not done.is_set():  # the moment may come together with the end
                self.exporter.crash()
        finally:
            self.history.watch = _ignore

    async def away(self, seconds: float) -> None:
        """Refuse connections to the backend for *seconds*."""
        assert self.exporting
        await self.behind.down()
        await asyncio.wait([self.exporting], timeout=seconds)
        await self.behind.up()

    async def fails(self, outcome: str) -> None:
        """Return when one more attempt has had *outcome*."""
        metric = f"{ATTEMPTS} {outcome}"
        before = (await self.exporter.metrics()).get(metric, 0.0)
        await self.exporter.shows(metric, before + 1, within=PROBE_SECONDS)

    async def recovers(self) -> None:
        """Return when all is delivered that an outage has held up."""
        held_up = set(self.history.missing)
        await eventually(
            lambda: held_up.isdisjoint(self.history.missing), within=PROBE_SECONDS
        )

    async def enough(self, needs: Counts, within: float) -> None:
        """Return once as much has happened as *needs* says, or when time is up."""

        def happened() -> bool:
            self._count_cuts()
            return not any(meaningless(self.history, needs))

        await self._perhaps(happened, within)

    async def delivers(self, number: int, within: float) -> None:
        """Return once *number* events are delivered, or when time is up."""
        await self._perhaps(lambda: self.history.delivered >= number, within)

    async def settle(self, within: float) -> None:
        """End all faults; return when nothing is missing any more, or time is up."""
        assert self.exporting
        await self._heal()
        if self.history.bad:
            # The last bad events are dead letters only after others are delivered.
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
        for proxy, cuts in zip((self.before, self.behind), self._cuts, strict=True):
            cuts.healed = True
            proxy.answer = None
            # Connections that were to break off later do so now.
            await proxy.drop()

    def _count_cuts(self) -> None:
        self.history.cuts = self.before.cuts + self.behind.cuts

    async def _perhaps(self, condition: Callable[[], bool], within: float) -> None:
        """Wait for *condition*; if it never comes true, the oracle says why."""
        with suppress(AssertionError):
            await eventually(
                lambda: condition() or self.exporter.has_ended, within=within
            )

    async def _end_broker(self, exporting: asyncio.Task[None]) -> None:
        exporting.cancel()
        await asyncio.gather(exporting, return_exceptions=True)


def a_seed(usual: str = "1") -> str:
    """Return the seed in FAULT_SEED, else the *usual* one."""
    return os.environ.get("FAULT_SEED") or usual


def _ignore(_: str) -> None:
    """Watch nothing."""
