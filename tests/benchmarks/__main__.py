"""
Measure, compare with the targets, and print tables (`make bench`).

Every part runs in its own process. The run fails if a part breaks, but not if it misses
a target.
"""

import argparse
import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from devkit.processes import StartError
from exporter.base.errors import ExporterError
from tests.benchmarks import engine, peer
from tests.benchmarks.conditions import conditions
from tests.benchmarks.figures import Figure, shown
from tests.benchmarks.processes import SELECT_EVERYTHING

COLOURS = {"met": "green", "missed": "red"}
LIMIT_SECONDS = 400.0

PARTS = {
    "replies": "Reply to the broker, one record per request",
    "ingest": "Ingest, 500 records per request",
    "throughput": "Ingest, storage and delivery together",
    "slots": "A backend that answers after 100 ms",
    "neighbours": "A healthy backend next to one that hangs",
    "backlog": "A large backlog",
    "latency": f"{engine.KIND}: engine to arrival",
    "burst": f"{engine.KIND}: many instances at once",
    "others": f"{engine.KIND}: effect on another exporter",
    "peer": "Next to the OpenTelemetry Collector",
}


class BrokenError(Exception):
    """A part of the benchmarks failed."""


def main() -> int:
    """Run the chosen parts; return 1 if a part broke."""
    args = _arguments()
    if args.alone:
        return _alone(args.alone, quick=args.quick)
    if args.everything:
        os.environ[SELECT_EVERYTHING] = "yes"
    console = Console(highlight=False)
    machine = {"engine": engine.NAME, **conditions()}
    for label, what in machine.items():
        console.print(f"[dim]{label:12}[/] {what}")
    console.print()
    report: dict[str, Any] = {"conditions": machine, "quick": args.quick, "parts": {}}
    usual = [name for name in PARTS if name != "peer" or peer.is_possible()]
    for name in args.only or usual:
        title, started = PARTS[name], time.monotonic()
        found: dict[str, Any] = {"title": title}
        report["parts"][name] = found
        try:
            with console.status(f"{title} ..."):
                figures = _measured(name, quick=args.quick)
        except BrokenError as error:
            found["broken"] = str(error)
            console.print(f"[red]{title}: broken[/]\n{escape(str(error))}")
            continue
        found["seconds"] = round(time.monotonic() - started, 1)
        found["figures"] = [asdict(each) | {"result": each.result} for each in figures]
        about = f"{title} [not bold dim]({name}, {found['seconds']:.0f} s)[/]"
        _show(console, about, figures)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(any("broken" in found for found in report["parts"].values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        epilog="Set ENGINE to an image to measure a real engine; set COLLECTOR and "
        "LOAD to programs to measure next to the OpenTelemetry Collector.",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="measure only this part (repeatable)",
    )
    parser.add_argument("--alone", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--quick", action="store_true", help="measure less, in two minutes"
    )
    parser.add_argument("--everything", action="store_true", help="select every event")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    return parser.parse_args()


def _alone(name: str, *, quick: bool) -> int:
    """Measure a part in this process, and print its figures as JSON."""
    module = importlib.import_module(f"tests.benchmarks.{name}")
    try:
        figures = asyncio.run(module.measure(quick=quick))
    except (StartError, ExporterError) as error:
        print(error)
        return 1
    print(json.dumps([asdict(figure) for figure in figures]))
    return 0


def _measured(name: str, *, quick: bool) -> list[Figure]:
    """Measure a part in its own process, and return its figures."""
    command = [sys.executable, "-m", "tests.benchmarks", "--alone", name]
    try:
        done = subprocess.run(
            command + ["--quick"] * quick,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokenError(f"not done after {LIMIT_SECONDS:.0f} s") from error
    if done.returncode:
        raise BrokenError(done.stdout)
    return [Figure(**found) for found in json.loads(done.stdout.splitlines()[-1])]


def _show(console: Console, title: str, figures: list[Figure]) -> None:
    head = f"{'value':>48} {'unit':9} {'target':>10}"
    console.print(f"[bold]{title}[/]\n[dim]{head}[/]")
    for each in figures:
        line = f"{each.name:40} {shown(each.value):>7} {each.unit:9} {each.target:>10}"
        result = f"[{COLOURS[each.result]}]{each.result}[/]" if each.result else ""
        console.print(line, result)
    console.print()


if __name__ == "__main__":
    sys.exit(main())
