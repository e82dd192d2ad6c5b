"""
Half an hour at a constant rate with faults: nothing may grow without limit.

The exporter remembers 100,000 identities per partition, so the run first fills these.
Engine time runs so fast that no more identities are remembered.
"""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.faults.broker import Load
from tests.faults.engine import Contents
from tests.faults.oracle import Counts
from tests.faults.plan import Plan
from tests.faults.rig import Rig, Setup
from tests.faults.scenarios import SETTLE_SECONDS, Run

EVENTS_PER_SECOND = 300.0
SHARE = 0.05
REMEMBERED = 110_000
"""More identities than the exporter must remember."""
FILLING_PER_SECOND = 20_000.0
FILLING_SECONDS = 300.0
SAMPLE_SECONDS = 5.0
WARM = 0.1
"""The share of samples at the start and at the end that is compared."""
TOLERANCE = 0.10
SPARE_HANDLES = 8
"""The allowed difference in open connections."""
STEP_MS = 60

MIB = 1024 * 1024


class Sample(NamedTuple):
    """The size of the process and its spool at one time."""

    rss_mib: float
    file_mib: float
    """The size of all files of the spool."""
    handles: int
    """Open files and sockets."""
    threads: int
    waiting: float
    """Events in the spool."""


async def soak(directory: Path, seed: str, minutes: float) -> tuple[Run, list[Sample]]:
    """Fill the memory, then run for *minutes*; return samples of that time."""
    needs = Counts(
        delivered=REMEMBERED + int(0.9 * EVENTS_PER_SECOND * 60 * minutes),
        duplicates=1,
        faults=int(minutes * 10),
        repeats=1,
    )
    load = Load(
        FILLING_PER_SECOND,
        partitions=1,
        restarts=0.001,
        contents=Contents(step_ms=STEP_MS, unmappable=0.0001),
    )
    async with Rig(Setup(directory, seed, Plan(seed, 0.0), load)) as rig:
        await rig.exporter.begin()
        await rig.delivers(REMEMBERED, within=FILLING_SECONDS)
        rig.broker.events_per_second = EVENTS_PER_SECOND
        rig.plan.share = SHARE
        samples = await sampled(rig, directory / "spool", minutes * 60)
        await rig.settle(SETTLE_SECONDS)
    return Run("soak", seed, rig.history, needs), samples


async def sampled(rig: Rig, spool: Path, seconds: float) -> list[Sample]:
    """Take samples for *seconds*, or until the exporter ends."""
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and not rig.exporter.has_ended:
        assert rig.exporting
        await asyncio.wait([rig.exporting], timeout=SAMPLE_SECONDS)
        waiting = (await rig.exporter.metrics()).get("spool_events", -1.0)
        samples.append(a_sample(psutil.Process(rig.exporter.pid), spool, waiting))
    return samples


def a_sample(process: psutil.Process, spool: Path, waiting: float) -> Sample:
    """Measure *process* and *spool* now."""
    with process.oneshot():
        return Sample(
            rss_mib=process.memory_info().rss / MIB,
            file_mib=sum(file.stat().st_size for file in spool.iterdir()) / MIB,
            handles=process.num_fds(),
            threads=process.num_threads(),
            waiting=waiting,
        )


def growth(samples: list[Sample]) -> list[str]:
    """Return the values that grew beyond their limit."""
    before, after = medians(samples)
    limits = {
        "rss_mib": before.rss_mib * (1 + TOLERANCE),
        "file_mib": before.file_mib * (1 + TOLERANCE),
        "handles": before.handles + SPARE_HANDLES,
        "threads": before.threads + SPARE_HANDLES,
    }
    return [
        f"{name} grew from {getattr(before, name):g} to {getattr(after, name):g}"
        for name, limit in limits.items()
        if getattr(after, name) > limit
    ]


def medians(samples: list[Sample]) -> tuple[Sample, Sample]:
    """Return the medians of the first and of the last samples."""
    few = max(1, int(len(samples) * WARM))
    first, last = (
        Sample(*(round(statistics.median(each), 2) for each in zip(*part, strict=True)))
        for part in (samples[:few], samples[-few:])
    )
    return first, last


def summary(samples: list[Sample]) -> dict[str, Any]:
    """Return the figures of *samples*, fit for JSON."""
    first, last = medians(samples)
    most = Sample(*map(max, zip(*samples, strict=True)))
    return {
        "samples": len(samples),
        "first": first._asdict(),
        "last": last._asdict(),
        "most": most._asdict(),
        "grew": growth(samples),
    }
