"""The same as the plain screen, for a terminal: colours and a table."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from exporter.demo.backend import Arrival
from exporter.demo.report import Summary
from exporter.demo.screen import Screen, clock, outcome, rows, verdict

COLOURS = {"CREATED": "cyan", "ASSIGNED": "yellow", "COMPLETED": "green"}

# One block is this many milliseconds; a bar has at most so many blocks.
MILLISECONDS_PER_BLOCK = 10
LONGEST_BAR = 10
WIDE_ENOUGH = 100
"""Columns that a line with the key of its task needs."""


class RichScreen(Screen):
    """A terminal, where people watch."""

    def __init__(self, stream: TextIO) -> None:
        """Write to the terminal *stream*."""
        super().__init__(stream)
        self._console = Console(file=stream, highlight=False)

    def say(self, sentence: str) -> None:
        """Print one sentence."""
        self._console.print(Text(sentence))

    def warn(self, sentence: str) -> None:
        """Print a sentence that must not be overlooked."""
        self._console.print(Text(f"! {sentence}", style="bold yellow"))

    def explain(self, title: str, text: str) -> None:
        """Print what the reader should know about what comes."""
        panel = Panel(Text(text), title=title, title_align="left", border_style="blue")
        self._console.print(panel)

    @contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """Show that something takes time, and afterwards how long it took."""
        began = time.monotonic()
        with self._console.status(f"{doing} ..."):
            yield
        took = f"{time.monotonic() - began:.1f} s"
        self._console.print(Text.assemble(("✓ ", "green"), doing, (f"  {took}", "dim")))

    def event(self, number: int, arrival: Arrival, latency: float) -> None:
        """Print one event, its latency also as a bar."""
        milliseconds = latency * 1000
        blocks = min(LONGEST_BAR, 1 + int(milliseconds / MILLISECONDS_PER_BLOCK))
        line = Text.assemble(
            (clock(arrival), "dim"),
            f" {milliseconds:7.1f} ms ",
            (f"{'▆' * blocks:{LONGEST_BAR}}", "blue"),
            (f" {arrival.intent:9}", COLOURS.get(arrival.intent, "magenta")),
            f" request {number:<3} {outcome(arrival):18}",
        )
        if self._console.width >= WIDE_ENOUGH:
            line.append(f" task {arrival.task}", "dim")
        self._console.print(line, no_wrap=True, overflow="ellipsis")

    def summary(self, summary: Summary) -> None:
        """Print the figures of a run and what they mean."""
        table = Table.grid(padding=(0, 3))
        table.add_column()
        table.add_column(justify="right")
        for name, value in rows(summary):
            table.add_row(name, Text(value, style="bold"))
        colour = "green" if summary.perfect else "red"
        panel = Panel.fit(
            Group(table, "", Text(verdict(summary), style=colour)),
            title="Summary",
            title_align="left",
            border_style=colour,
            padding=(1, 2),
        )
        self._console.print(panel)
