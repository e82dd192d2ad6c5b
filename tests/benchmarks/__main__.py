"""
`make bench`: measure, compare with what was agreed, and say so in a table.

Every part runs in a process of its own. A target that is missed is told and doesn't
fail the run; a part that breaks does.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.benchmarks.conditions import conditions
from tests.benchmarks.figures import Figure, shown
from tests.benchmarks.parts import PARTS
from tests.benchmarks.processes import SELECT_EVERYTHING

ROOT = Path(__file__).parents[2]
COLOURS = {"met": "green", "missed": "red", "": "dim"}


class BrokenError(Exception):
    """A part didn't come to its end."""


def main() -> int:
    """Run what is asked for; 1 when a part broke."""
    args = _arguments()
    if args.everything:
        os.environ[SELECT_EVERYTHING] = "yes"
    console = Console(highlight=False)
    about = conditions()
    for label, what in about.items():
        console.print(f"[dim]{label:12}[/] {what}")
    console.print()
    report: dict[str, Any] = {"conditions": about, "quick": args.quick, "parts": {}}
    broken = False
    for name in args.only or PARTS:
        started = time.monotonic()
        with console.status(f"{PARTS[name].title} ..."):
            try:
                figures = _measured(name, quick=args.quick)
            except BrokenError as error:
                broken = True
                report["parts"][name] = {"broken": str(error)}
                console.print(
                    f"[red]{PARTS[name].title}: broken[/]\n{escape(str(error))}"
                )
                continue
        seconds = time.monotonic() - started
        console.print(_table(name, figures, seconds), "")
        report["parts"][name] = {
            "seconds": round(seconds, 1),
            "figures": [figure.as_dict() for figure in figures],
        }
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(broken)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        metavar="PART",
        help=f"measure only this part, may be repeated: {', '.join(PARTS)}",
    )
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


def _measured(name: str, *, quick: bool) -> list[Figure]:
    """Return what the part *name* finds in a process group of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.parts", name]
    process = subprocess.Popen(
        command + ["--quick"] * quick,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=PARTS[name].seconds)
    except subprocess.TimeoutExpired as error:
        raise BrokenError(f"not done after {PARTS[name].seconds} s") from error
    finally:
        # Also what it started, whatever interrupted us.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        raise BrokenError(f"it ended with status {process.returncode}:\n{errors}")
    return [Figure.of(found) for found in json.loads(output)]


def _table(name: str, figures: list[Figure], seconds: float) -> Table:
    table = Table(
        title=f"{PARTS[name].title} [not bold dim]({name}, {seconds:.0f} s)[/]",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    table.add_column(width=40)
    table.add_column("value", width=7, justify="right", header_style="dim")
    table.add_column("unit", width=9, header_style="dim")
    table.add_column("target", width=10, justify="right", style="dim")
    table.add_column(width=6)
    for figure in figures:
        table.add_row(
            figure.name,
            shown(figure.value),
            figure.unit,
            figure.target,
            f"[{COLOURS[figure.verdict]}]{figure.verdict}[/]",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
