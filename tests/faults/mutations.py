"""
Mutations of the exporter, one for each promise, that the oracle must detect.

Each block of mutations.diff replaces a few lines in a copy of the package. If the old
lines have changed, that is an error: update the mutation.
"""

import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from devkit.processes import ROOT
from tests.faults.oracle import Promise
from tests.faults.scenarios import Run, bad_events, kills, patience

TABLE = Path(__file__).with_suffix(".diff")
EDIT = re.compile(r"^--- (.+)\n((?:-.*\n)+)((?:\+.*\n)+)", re.MULTILINE)
FIRST_CHARACTER = re.compile("^.", re.MULTILINE)

SETTLE_SECONDS = 5.0
"""The wait for events that a mutant never delivers."""


class Edit(NamedTuple):
    """Lines of one file, and their replacement."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """One promise, broken in the code."""

    name: str
    breaks: Promise
    scenario: Callable[..., Awaitable[Run]]
    edits: list[Edit]


async def more_patience(directory: Path, seed: str, count: int, **how: Any) -> Run:
    """Send Retry-After more often: a single one may come while no event waits."""
    return await patience(directory, seed, 20 * count, **how)


SCENARIOS = {each.__name__: each for each in (kills, bad_events, more_patience)}


def _mutation(block: str) -> Mutation:
    """Read one block of the table."""
    name, promise, scenario = block.splitlines()[0].removeprefix("# ").split(" | ")
    edits = [
        Edit(file, FIRST_CHARACTER.sub("", old), FIRST_CHARACTER.sub("", new))
        for file, old, new in EDIT.findall(f"{block}\n")
    ]
    return Mutation(name, Promise[promise], SCENARIOS[scenario], edits)


MUTATIONS = [_mutation(each) for each in TABLE.read_text("utf-8").split("\n\n")]


def mutant(mutation: Mutation, directory: Path) -> Path:
    """Copy the package to *directory* with *mutation*, and return *directory*."""
    shutil.copytree(
        ROOT / "exporter",
        directory / "exporter",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for edit in mutation.edits:
        path = directory / "exporter" / edit.file
        text = path.read_text("utf-8")
        if (found := text.count(edit.old)) != 1:
            raise LookupError(f"{edit.file} has these lines {found} times: {edit.old}")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    return directory


async def run(mutation: Mutation, directory: Path, seed: str, count: int) -> Run:
    """Run *mutation* through its scenario, with *count* kills or faults."""
    return await mutation.scenario(
        directory,
        seed,
        count,
        source=mutant(mutation, directory / "source"),
        settle_seconds=SETTLE_SECONDS,
    )
