"""
Tell people what happens, in plain lines.

`rich_screen` does the same with colours, for a terminal.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TextIO

from exporter.demo.backend import Arrival
from exporter.demo.report import Summary

# No line is longer than a panel in a terminal of 80 columns.
HOW_TO_READ = """\
This is a replay: what a real Camunda 8.6.0 broker once sent goes to the
exporter again, request by request. Each line below is one event at the
moment it reached the backend. Its time is from sending the request, through
the exporter that kept it on disk first, to the backend. The engine, and its
share of the time, are missing."""


class Screen:
    """Plain lines, for logs and pipes; also what every other screen can do."""

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*."""
        self._stream = stream

    def say(self, sentence: str) -> None:
        """Print one sentence."""
        print(sentence, file=self._stream, flush=True)

    def warn(self, sentence: str) -> None:
        """Print a sentence that must not be overlooked."""
        self.say(sentence)

    def explain(self, title: str, text: str) -> None:
        """Print what the reader should know about what comes."""
        self.say(f"{title}\n{text}\n")

    @contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """Say what takes time, and afterwards how long it took."""
        began = time.monotonic()
        self.say(f"{doing} ...")
        yield
        self.say(f"{doing}: {time.monotonic() - began:.1f} s")

    def event(self, number: int, arrival: Arrival, latency: float) -> None:
        """Print one event; *number* is its process instance, counted from 1."""
        self.say(
            f"{clock(arrival)}  {latency * 1000:7.1f} ms  {arrival.intent:9}  "
            f"request {number:<3} {outcome(arrival):18} task {arrival.task}"
        )

    def summary(self, summary: Summary) -> None:
        """Print the figures of a run and what they mean."""
        for name, value in rows(summary):
            self.say(f"{name:16} {value}")
        self.say(verdict(summary))


def open_screen(stream: TextIO) -> Screen:
    """Return the screen that suits *stream*: colours only where people watch."""
    if stream.isatty():
        with suppress(ImportError):
            from exporter.demo.rich_screen import (  # noqa: PLC0415 -- needs the extra
                RichScreen,
            )

            return RichScreen(stream)
    return Screen(stream)


def rows(summary: Summary) -> list[tuple[str, str]]:
    """Return the lines of the summary: a name and a figure each."""
    return [
        ("events expected", str(summary.expected)),
        ("events received", str(summary.received)),
        ("missing", str(summary.missing)),
        ("duplicates", str(summary.duplicates)),
        ("order violations", str(summary.order_violations)),
        ("latency p50", _milliseconds(summary.p50_ms)),
        ("latency p95", _milliseconds(summary.p95_ms)),
        ("latency max", _milliseconds(summary.max_ms)),
    ]


def verdict(summary: Summary) -> str:
    """Return the one sentence that sums it up."""
    if summary.perfect:
        return "Every event arrived, exactly once and in order."
    wrong = [
        f"{count} {what}"
        for count, what in (
            (summary.missing, "missing"),
            (summary.duplicates, "more than once"),
            (summary.order_violations, "out of order"),
        )
        if count
    ]
    return f"Not as promised: {', '.join(wrong)}."


def outcome(arrival: Arrival) -> str:
    """Return in a few words what the event says about the task."""
    assignee = arrival.event["assignee"]
    words = {
        "CREATED": "waits for somebody",
        "ASSIGNED": f"is taken by {assignee}" if assignee else "is free again",
        "COMPLETED": f"is done by {assignee}",
        "CANCELED": "is not needed any more",
    }
    return words.get(arrival.intent, "changed")


def clock(arrival: Arrival) -> str:
    """Return when the event arrived, in local time."""
    return datetime.fromtimestamp(arrival.at).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
