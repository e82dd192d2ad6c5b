"""What is done to the exporter, and what has to have happened before it counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.broker import Load
from tests.faults.certificates import certificates
from tests.faults.engine import Contents
from tests.faults.exporter import ROOT
from tests.faults.history import History
from tests.faults.oracle import Counts, Violation, judge
from tests.faults.plan import (
    BLOCKED_STATUSES,
    Plan,
    Weighted,
    timed,
)
from tests.faults.rig import IN_FLIGHT, Rig, Setup, Trouble
from tests.faults.stub import StubBackend

MOMENTS = ("tried", "answered", "arrived", "recorded")
LONGEST_LIFE = 1.0
SETTLE_SECONDS = 60.0
ENOUGH_SECONDS = 30.0
SHARE = 0.2
"""Of all requests to the backend that meet a fault."""


@dataclass(frozen=True)
class Run:
    """A run that is over."""

    name: str
    seed: str
    history: History
    needs: Counts

    def violations(self) -> list[Violation]:
        """Return what was wrong."""
        return judge(self.history, self.needs, in_flight=IN_FLIGHT)

    def verdict(self) -> str:
        """Return what was wrong in words, and how to have it again; "" is nothing."""
        found = self.violations()
        if not found:
            return ""
        shown = "\n".join(map(str, found[:10]))
        return f"{self.name}: {len(found)} violations, FAULT_SEED={self.seed}\n{shown}"


def faulty(seed: str, share: float = SHARE) -> Trouble:
    """Return trouble of every kind, on either side."""
    return Trouble(
        seed,
        Plan(f"{seed}/backend", share, storms=share / 50),
        before_bytes=200_000,
        behind_bytes=100_000,
    )


async def kills(
    directory: Path,
    seed: str,
    count: int,
    *,
    source: Path = ROOT,
    settle_seconds: float = SETTLE_SECONDS,
) -> Run:
    """Kill the exporter *count* times under load, amid faults of every kind."""
    needs = Counts(
        delivered=50 * count,
        faults=3 * count,
        kills=count,
        duplicates=count,
        cuts=count,
        repeats=10 * count,
        unmappable=count // 2,
        bad=count // 2,
    )
    load = Load(contents=Contents(bad=0.002))
    async with Rig(Setup(directory, load, source), faulty(seed)) as rig:
        for _ in range(count):
            await a_life(rig)
        await rig.begin()
        await rig.enough(needs, within=ENOUGH_SECONDS)
        await rig.settle(settle_seconds)
    return Run("kills", seed, rig.history, needs)


async def a_life(rig: Rig) -> None:
    """Start the exporter and kill it, mostly while it works, sometimes before that."""
    chance = rig.chance
    if chance.random() < 0.1:
        rig.exporter.spawn()
        await rig.kill_at("tried", chance.randint(1, 60), LONGEST_LIFE)
        return
    await rig.begin()
    if chance.random() < 0.2:
        await rig.behind.away(chance.uniform(0.05, 0.2))
    await rig.kill_at(chance.choice(MOMENTS), chance.randint(1, 60), LONGEST_LIFE)


async def outages(
    directory: Path, seed: str, statuses: Sequence[int] = BLOCKED_STATUSES
) -> Run:
    """Let the backend be away, or the setup wrong with each of *statuses*, a while."""
    needs = Counts(delivered=200)
    right, wrong = certificates(directory)
    setup = Setup(
        directory,
        Load(events_per_second=500),
        variables={"SSL_CERT_FILE": str(right.authority)},
        tls=right.context,
    )
    trouble = Trouble(seed, Plan(seed, 0.0))
    impostor = StubBackend(History(), Plan(seed, 0.0), wrong.context)
    async with Rig(setup, trouble) as rig, impostor:
        await rig.begin()
        for status in statuses:
            rig.backend.status = status
            await rig.fails("blocked")
            rig.backend.status = 200
            await rig.recovers()
        await _behind_another_certificate(rig, impostor)
        await _without_tls(rig)
        await _refused(rig)
        await rig.settle(SETTLE_SECONDS)
    return Run("outages", seed, rig.history, needs)


async def _behind_another_certificate(rig: Rig, impostor: StubBackend) -> None:
    rig.behind.target = impostor.port
    await rig.behind.drop()
    await rig.fails("blocked")
    rig.behind.target = rig.backend.port
    await rig.recovers()


async def _without_tls(rig: Rig) -> None:
    rig.behind.nonsense = True
    await rig.behind.drop()
    await rig.fails("postponed")
    rig.behind.nonsense = False
    await rig.recovers()


async def _refused(rig: Rig) -> None:
    await rig.behind.refuse()
    await rig.fails("postponed")
    await rig.behind.listen()
    await rig.recovers()


async def bad_events(
    directory: Path,
    seed: str,
    count: int,
    *,
    source: Path = ROOT,
    settle_seconds: float = SETTLE_SECONDS,
) -> Run:
    """Let many events be such as the backend never takes, amid few faults and kills."""
    needs = Counts(delivered=200, bad=5, kills=count, faults=count)
    load = Load(events_per_second=1000, contents=Contents(bad=0.02))
    async with Rig(Setup(directory, load, source), faulty(seed, 0.05)) as rig:
        for _ in range(count):
            await a_life(rig)
        await rig.begin()
        await rig.enough(needs, within=ENOUGH_SECONDS)
        await rig.settle(settle_seconds)
    return Run("bad events", seed, rig.history, needs)


async def patience(
    directory: Path,
    seed: str,
    count: int,
    *,
    source: Path = ROOT,
    settle_seconds: float = SETTLE_SECONDS,
) -> Run:
    """Ask for silence *count* times, in each way, while much waits to be sent."""
    needs = Counts(faults=count)
    trouble = Trouble(seed, Plan(seed, 0.2, [Weighted(1, timed(2.0))]))
    load = Load(events_per_second=1000)
    async with Rig(Setup(directory, load, source), trouble) as rig:
        await rig.begin()
        await rig.enough(needs, within=count * ENOUGH_SECONDS)
        await rig.settle(settle_seconds)
    return Run("patience", seed, rig.history, needs)
