"""Run the long fault tests and print figures; exit with 1 if a promise is broken."""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.faults import scenarios
from tests.faults.mutations import MUTATIONS
from tests.faults.mutations import run as mutated
from tests.faults.rig import a_seed
from tests.faults.scenarios import Run
from tests.faults.soak import growth, soak, summary

Result = tuple[dict[str, Any], str]
"""Figures, and a description of the violations."""

MUTANT_FAULTS = 3
"""Kills or faults for each mutation."""


async def mutations(directory: Path, args: argparse.Namespace) -> Result:
    """Check that the oracle detects each mutation of the code."""
    caught, missed = {}, []
    for number, mutation in enumerate(MUTATIONS):
        run = await mutated(mutation, directory / f"{number}", args.seed, MUTANT_FAULTS)
        caught[mutation.name] = found = run.figures()["violations"]
        if mutation.breaks.name not in found:
            missed.append(mutation.name)
        print(f"  {mutation.name}: {found}", flush=True)
    return {"run": "mutations", "seed": args.seed, "caught": caught}, (
        f"mutations: the oracle missed {missed}" if missed else ""
    )


async def long_soak(directory: Path, args: argparse.Namespace) -> Result:
    """Send at a constant rate with faults for --minutes."""
    run, samples = await soak(directory, args.seed, args.minutes)
    report = "\n".join(filter(None, (run.report(), *growth(samples))))
    figures = {**run.figures(), "minutes": args.minutes, **summary(samples)}
    return figures, report


async def checked(run: Awaitable[Run]) -> Result:
    """Return the figures of *run*, and its violations."""
    over = await run
    return over.figures(), over.report()


PARTS: dict[str, Callable[[Path, argparse.Namespace], Awaitable[Result]]] = {
    "kills": lambda at, args: checked(scenarios.kills(at, args.seed, args.kills)),
    "outages": lambda at, args: checked(scenarios.outages(at, args.seed)),
    "bad-events": lambda at, args: checked(scenarios.bad_events(at, args.seed, 10)),
    "patience": lambda at, args: checked(scenarios.patience(at, args.seed, 10)),
    "mutations": mutations,
    "soak": long_soak,
}


async def main(args: argparse.Namespace) -> int:
    """Run the chosen parts one after another; return the exit status."""
    results, reports = [], []
    for name in args.parts or PARTS:
        print(f"==> {name}, seed {args.seed}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            figures, report = await PARTS[name](Path(directory), args)
        figures["seconds"] = round(time.monotonic() - began, 1)
        results.append(figures)
        reports += [report] if report else []
        print(json.dumps(figures, indent=2), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print("\n".join(reports) or "every promise was kept", file=sys.stderr)
    return int(bool(reports))


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}"
    )
    any_seed = f"{random.SystemRandom().randrange(10**6)}"
    parser.add_argument("--seed", default=a_seed(any_seed), help="seed of all faults")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    return args


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
