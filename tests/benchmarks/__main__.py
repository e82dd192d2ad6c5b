"""
`make bench`: measure, compare with the targets, and print tables.

Every part runs in a process of its own. A missed target doesn't fail the run, but a
part that breaks does.
"""

import argparse
import asyncio
import importlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from devkit.processes import Process, StartError
from exporter.base.errors import ExporterError
from tests.benchmarks import engine
from tests.benchmarks.conditions import conditions
from tests.benchmarks.figures import Figure, shown
from tests.benchmarks.processes import SELECT_EVERYTHING

COLOURS = {"met": "green", "missed": "red"}
LOOK_SECONDS, LIMIT_SECONDS = 0.2, 400.0

PARTS = {
    "replies": "Reply to the broker, one record per request",
    "ingest": "Taking in, 500 records per request",
    "throughput": "In, safe on disk, and delivered",
    "slots": "A backend that takes 100 ms",
    "neighbours": "A backend beside one that hangs",
    "backlog": "A large backlog",
    "latency": f"{engine.KIND}: engine to arrival",
    "burst": f"{engine.KIND}: many instances at once",
    "others": f"{engine.KIND}: what another exporter notices",
}


class BrokenError(Exception):
    """A part failed."""


def main() -> int:
    """Run the chosen parts; 1 when a part broke."""
    args = _arguments()
    if args.alone:
        return _alone(args.alone, quick=args.quick)
    if args.everything:
        os.environ[SELECT_EVERYTHING] = "yes"
    console = Console(highlight=False)
    about = {"engine": engine.NAME, **conditions()}
    for label, what in about.items():
        console.print(f"[dim]{label:12}[/] {what}")
    console.print()
    report: dict[str, Any] = {"conditions": about, "quick": args.quick, "parts": {}}
    for name in args.only or PARTS:
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
        found["figures"] = [
            asdict(each) | {"verdict": each.verdict} for each in figures
        ]
        _show(
            console,
            f"{title} [not bold dim]({name}, {found['seconds']:.0f} s)[/]",
            figures,
        )
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(any("broken" in found for found in report["parts"].values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        epilog="The variable ENGINE names an image of a real engine, which is measured "
        "instead of the recorded one.",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        metavar="PART",
        help=f"measure only this part, may be repeated: {', '.join(PARTS)}",
    )
    parser.add_argument("--alone", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--quick", action="store_true", help="less of everything, in two minutes"
    )
    parser.add_argument(
        "--everything",
        action="store_true",
        help="with every event selected, not only what the official exporter sends; "
        "then there are no records that nobody wants",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures there, too"
    )
    return parser.parse_args()


def _alone(name: str, *, quick: bool) -> int:
    """Measure a part in this process, and print its figures as JSON."""
    module = importlib.import_module(f"tests.benchmarks.{name}")
    try:
        figures = asyncio.run(module.measure(quick=quick))
    except (StartError, ExporterError) as error:
        print(error)
        return 1
    print(json.dumps({"figures": [asdict(figure) for figure in figures]}))
    return 0


def _measured(name: str, *, quick: bool) -> list[Figure]:
    """Return the figures of a part, measured in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks", "--alone", name]
    with tempfile.TemporaryDirectory() as directory:
        part = Process(command + ["--quick"] * quick, log=Path(directory) / "log")
        part.spawn()
        deadline = time.monotonic() + LIMIT_SECONDS
        try:
            # Seldom, because looking takes time of the processor that is measured.
            while part.status is None and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            if part.status == 0:
                return [Figure(**found) for found in part.lines[-1]["figures"]]
            late = f"not done after {LIMIT_SECONDS:.0f} s"
            raise BrokenError(part.text if part.status else late)
        finally:
            part.kill()


def _show(console: Console, title: str, figures: list[Figure]) -> None:
    head = f"{'value':>48} {'unit':9} {'target':>10}"
    console.print(f"[bold]{title}[/]\n[dim]{head}[/]")
    for each in figures:
        line = f"{each.name:40} {shown(each.value):>7} {each.unit:9} {each.target:>10}"
        verdict = f"[{COLOURS[each.verdict]}]{each.verdict}[/]" if each.verdict else ""
        console.print(line, verdict)
    console.print()


if __name__ == "__main__":
    sys.exit(main())
