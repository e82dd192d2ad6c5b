"""
Broker, exporter and backend with a proxy on either side, for the length of a block.

    StubBroker ── StubProxy ── Exporter (a process) ── StubProxy ── StubBackend
"""

import asyncio
import os
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Self

from exporter.demo.ports import LOOPBACK
from tests.conftest import eventually
from tests.faults.broker import Load, StubBroker
from tests.faults.exporter import ROOT, Exporter
from tests.faults.history import History
from tests.faults.oracle import Counts, meaningless
from tests.faults.plan import Cuts, Plan
from tests.faults.proxy import StubProxy
from tests.faults.stub import PATH, StubBackend

ATTEMPTS = "delivery_attempts_total"
DEAD_LETTERS = "spool_dead_letters"
OTHERS = 20
"""Posts that follow the last bad event."""
PROBE_SECONDS = 45.0
"""How long it may take until a backend that is well again is asked again."""

SLOTS = 4
BATCH = 20
IN_FLIGHT = (2 * SLOTS + 1) * BATCH
"""A slot posts one batch while it settles another; one more may wait aside."""

VARIABLES = {
    "APP_INTEGRATIONS_MAX_BATCHES_IN_FLIGHT": str(SLOTS),
    "APP_INTEGRATIONS_BATCH_SIZE": str(BATCH),
    "APP_INTEGRATIONS_REQUEST_TIMEOUT_MS": "1500",
}


@dataclass(frozen=True)
class Trouble:
    """How much goes wrong, and where."""

    seed: str
    plan: Plan
    before_bytes: int = 0
    """How much a connection of the broker carries on average; 0 is any amount."""
    behind_bytes: int = 0
    """The same for connections to the backend."""


@dataclass(frozen=True)
class Setup:
    """What runs, apart from the trouble."""

    directory: Path
    load: Load = field(default_factory=Load)
    source: Path = ROOT
    """Whose `exporter` package is run."""
    variables: dict[str, str] = field(default_factory=dict)
    tls: SSLContext | None = None
    """What the backend proves itself with; None is plain HTTP."""


class Rig:
    """All parts of a run, and the history they write."""

    def __init__(self, setup: Setup, trouble: Trouble) -> None:
        """Prepare *setup* with *trouble*; nothing runs yet."""
        seed = trouble.seed
        self.history = History()
        self.chance = random.Random(f"{seed}/rig")  # noqa: S311 - no secret
        self.plan = trouble.plan
        self.backend = StubBackend(self.history, trouble.plan, setup.tls)
        self.before, self.behind = (
            StubProxy(self.history, Cuts(f"{seed}/{name}", mean))
            for name, mean in (
                ("before", trouble.before_bytes),
                ("behind", trouble.behind_bytes),
            )
        )
        scheme = "https" if setup.tls else "http"
        url = f"{scheme}://{LOOPBACK}:{self.behind.port}{PATH}"
        self.exporter = Exporter(
            setup.directory,
            self.history,
            setup.source,
            {"APP_INTEGRATIONS_URL": url} | VARIABLES | setup.variables,
        )
        bulk = f"http://{LOOPBACK}:{self.before.port}/_bulk"
        self.broker = StubBroker(self.history, bulk, seed, setup.load)
        self._stack = AsyncExitStack()
        self.exporting: asyncio.Task[None] | None = None
        """The broker's side; ends with `settle`, or with a mistake of its own."""

    async def __aenter__(self) -> Self:
        """Begin to export; nobody takes it yet."""
        self._stack.callback(self.exporter.end)
        await self._stack.enter_async_context(self.backend)
        await self._stack.enter_async_context(self.behind)
        await self._stack.enter_async_context(self.before)
        self.behind.target = self.backend.port
        self.exporting = asyncio.create_task(self.broker.run(), name="broker")
        self._stack.push_async_callback(self._end_broker)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing behind, whatever has happened."""
        await self._stack.aclose()

    async def begin(self) -> None:
        """Start the exporter, and return when it serves."""
        self.exporter.spawn()
        await self.exporter.ready()
        self.before.target = self.exporter.ingest_port

    async def kill_at(self, moment: str, count: int, within: float) -> None:
        """Kill the exporter at the *count*-th *moment* from now, or when time is up."""
        done = asyncio.Event()
        left = count

        def watch(what: str) -> None:
            nonlocal left
            left -= what == moment
            if left <= 0 and not done.is_set():
                self.exporter.kill()
                done.set()

        self.history.watch = watch
        try:
            await asyncio.wait_for(done.wait(), within)
        except TimeoutError:
            self.exporter.kill()
        finally:
            self.history.watch = _nobody

    def heal(self) -> None:
        """Let nothing go wrong from now on."""
        self.history.peace = True
        self.plan.healed = True
        self.backend.status = 200
        self.behind.nonsense = False
        self.before.heal()
        self.behind.heal()

    async def fails(self, outcome: str) -> None:
        """Return when one more attempt has had *outcome*."""
        metric = f"{ATTEMPTS} {outcome}"
        before = (await self.exporter.metrics())[metric]
        await self.exporter.eventually(metric, before + 1, within=PROBE_SECONDS)

    async def recovers(self) -> None:
        """Return when all is delivered that an outage has held up."""
        held_up = set(self.history.missing)
        await eventually(
            lambda: held_up.isdisjoint(self.history.missing), within=PROBE_SECONDS
        )

    async def enough(self, needs: Counts, within: float) -> None:
        """Return once as much has happened as *needs* says, or when time is up."""
        await self._perhaps(lambda: not list(meaningless(self.history, needs)), within)

    async def settle(self, within: float) -> None:
        """Return when all that is owed was delivered and shown, or when time is up."""
        assert self.exporting
        self.heal()
        if self.history.bad:
            # That the last of them are bad is known once others have got through.
            before = len(self.history.recorded)
            await self._perhaps(
                lambda: len(self.history.recorded) > before + OTHERS, within
            )
        self.broker.finish()
        await self._perhaps(self.exporting.done, within)
        await self._perhaps(lambda: not self.history.missing, within)
        await self._show(within)
        await self.exporter.stop()

    async def _show(self, within: float) -> None:
        """Note how many dead letters there are, once it's enough or time is up."""
        owed = len(self.history.unmappable) + len(self.history.owed & self.history.bad)
        with suppress(TimeoutError):
            await self.exporter.eventually(DEAD_LETTERS, owed, within=within)
        self.history.dead = int((await self.exporter.metrics()).get(DEAD_LETTERS, -1))

    async def _perhaps(self, condition, within: float) -> None:
        """Wait for *condition*; that it never came true is for the oracle to say."""
        try:
            await eventually(
                lambda: condition() or self.exporter.has_ended, within=within
            )
        except AssertionError:
            return

    async def _end_broker(self) -> None:
        assert self.exporting
        self.exporting.cancel()
        await asyncio.gather(self.exporting, return_exceptions=True)


def a_seed(usual: str = "1") -> str:
    """Return the seed that was asked for, else the *usual* one."""
    return os.environ.get("FAULT_SEED") or usual


def _nobody(_: str) -> None:
    """Learn of a moment that nobody waits for."""
