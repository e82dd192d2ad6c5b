"""Scenarios with faults, and the least counts that each run needs."""

import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import trustme

from devkit.processes import LOOPBACK, ROOT
from devkit.proxy import NONSENSE
from tests.faults.broker import Load
from tests.faults.engine import Contents
from tests.faults.history import History
from tests.faults.oracle import Counts, Promise, Violation, counts, violations
from tests.faults.plan import BLOCKED_STATUSES, Plan, Weighted, timed
from tests.faults.rig import IN_FLIGHT, Rig, Setup
from tests.faults.stub import StubBackend

MOMENTS = ("tried", "answered", "arrived", "recorded")
LONGEST_LIFE = 1.0
SETTLE_SECONDS = 60.0
ENOUGH_SECONDS = 60.0


@dataclass(frozen=True)
class Run:
    """A completed run."""

    name: str
    seed: str
    history: History
    needs: Counts

    def violations(self) -> list[Violation]:
        """Return every broken promise."""
        return violations(self.history, self.needs, in_flight=IN_FLIGHT)

    def report(self) -> str:
        """Describe the violations and the seed to repeat them, or return ""."""
        found = self.violations()
        if not found:
            return ""
        shown = "\n".join(map(str, found[:10]))
        return f"{self.name}: {len(found)} violations, FAULT_SEED={self.seed}\n{shown}"

    def figures(self) -> dict[str, Any]:
        """Return the figures of this run, fit for JSON."""
        broken = Counter(violation.promise for violation in self.violations())
        faults = Counter(post.fault for post in self.history.posts if post.fault)
        return {
            "run": self.name,
            "seed": self.seed,
            "bulk requests": self.history.bulks,
            "events accepted": len(self.history.owed),
            **asdict(counts(self.history)),
            "posts": len(self.history.posts),
            "lost": broken[Promise.KEPT],
            "out of order": broken[Promise.ORDERED],
            "violations": {promise.name: broken[promise] for promise in broken},
            "faults by kind": dict(faults.most_common()),
        }


def faults(seed: str, share: float) -> Plan:
    """Return a plan that gives faults of all kinds to *share* of all requests."""
    return Plan(f"{seed}/backend", share, storms=share / 50)


async def kills(directory: Path, seed: str, count: int, **how: Any) -> Run:
    """Kill the exporter *count* times under load, with faults of every kind."""
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
    setup = Setup(directory, seed, faults(seed, 0.2), load, cuts=True)
    return await _run("kills", setup, needs, **how)


async def bad_events(directory: Path, seed: str, count: int, **how: Any) -> Run:
    """Send many events that the backend always refuses, with few faults and kills."""
    needs = Counts(delivered=200, bad=5, kills=count, faults=count)
    load = Load(events_per_second=1000, contents=Contents(bad=0.02))
    setup = Setup(directory, seed, faults(seed, 0.05), load, cuts=True)
    return await _run("bad events", setup, needs, **how)


async def patience(directory: Path, seed: str, count: int, **how: Any) -> Run:
    """Send Retry-After *count* times, in both forms, while many events wait."""
    plan = Plan(seed, 0.2, [Weighted(1, timed(2.0))])
    setup = Setup(directory, seed, plan, Load(events_per_second=1000))
    within = count * ENOUGH_SECONDS
    return await _run("patience", setup, Counts(faults=count), within, **how)


async def _run(  # noqa: PLR0913 -- all that a run depends on
    name: str,
    setup: Setup,
    needs: Counts,
    within: float = ENOUGH_SECONDS,
    *,
    source: Path = ROOT,
    settle_seconds: float = SETTLE_SECONDS,
) -> Run:
    """Kill the exporter as often as needed; the last life delivers everything."""
    async with Rig(replace(setup, source=source)) as rig:
        for _ in range(needs.kills):
            await _life(rig)
        await rig.exporter.begin()
        await rig.enough(needs, within)
        await rig.settle(settle_seconds)
    return Run(name, setup.seed, rig.history, needs)


async def _life(rig: Rig) -> None:
    """Start the exporter and kill it, mostly at work, sometimes before it is ready."""
    chance = rig.chance
    if chance.random() < 0.1:
        rig.exporter.spawn()
        await rig.kill_at("tried", chance.randint(1, 60), LONGEST_LIFE)
        return
    await rig.exporter.begin()
    if chance.random() < 0.2:
        await rig.away(chance.uniform(0.05, 0.2))
    await rig.kill_at(chance.choice(MOMENTS), chance.randint(1, 60), LONGEST_LIFE)


async def outages(
    directory: Path, seed: str, statuses: Sequence[int] = BLOCKED_STATUSES
) -> Run:
    """Make the backend unreachable or its setup wrong for a while, in several ways."""
    setup = Setup(
        directory,
        seed,
        Plan(seed, 0.0),
        Load(events_per_second=500),
        settings={"TLS_CA_PATH": directory / "right.pem"},
        tls=_certificate(directory / "right.pem"),
    )
    other = _certificate(directory / "wrong.pem")
    impostor = StubBackend(History(), Plan(seed, 0.0), other)
    async with Rig(setup) as rig, impostor:
        await rig.exporter.begin()
        for status in statuses:
            rig.backend.answer = status
            await rig.fails("blocked")
            rig.backend.answer = 200
            await rig.recovers()

        rig.back.target = impostor.port
        await rig.back.drop()
        await rig.fails("blocked")
        rig.back.target = rig.backend.port
        await rig.recovers()

        rig.back.answer = NONSENSE
        await rig.back.drop()
        await rig.fails("postponed")
        rig.back.answer = None
        await rig.recovers()

        await rig.back.down()
        await rig.fails("postponed")
        await rig.back.up()
        await rig.recovers()

        await rig.settle(SETTLE_SECONDS)
    return Run("outages", seed, rig.history, Counts(delivered=200))


def _certificate(authority_path: Path) -> ssl.SSLContext:
    """Return the server's TLS context; write its authority to *authority_path*."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(authority_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    return context
