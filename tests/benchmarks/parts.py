"""
The parts of the benchmarks, each run in a process of its own.

`python -m tests.benchmarks.parts NAME [--quick]` prints the figures of one as JSON.
"""

import argparse
import importlib
import json
from typing import NamedTuple

from tests.benchmarks.figures import Figure


class Part(NamedTuple):
    """One module with a function `measure`."""

    title: str
    module: str
    seconds: int
    """How long it may take at most; then it's broken."""

    def measure(self, *, quick: bool) -> list[Figure]:
        """Run it here."""
        module = importlib.import_module(f"tests.benchmarks.{self.module}")
        figures: list[Figure] = module.measure(quick=quick)
        return figures


PARTS = {
    "replies": Part("Reply to the broker, one record per request", "replies", 120),
    "ingest": Part("Taking in, 500 records per request", "ingest", 120),
    "throughput": Part("In, safe on disk, and delivered", "throughput", 120),
    "slots": Part("A backend that takes 100 ms", "slots", 120),
    "neighbours": Part("A backend beside one that hangs", "neighbours", 120),
    "backlog": Part("A large backlog", "backlog", 300),
}


def main() -> None:
    """Measure one part and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    figures = PARTS[args.part].measure(quick=args.quick)
    print(json.dumps([figure.as_dict() for figure in figures]))


if __name__ == "__main__":
    main()
