"""What the demo says fits on the screen it says it on."""

import io
import re
import socket

import pytest

from exporter.demo.backend import Arrival
from exporter.demo.ports import LOOPBACK, free_port, usual_port
from exporter.demo.report import Summary
from exporter.demo.rich_screen import RichScreen
from exporter.demo.screen import HOW_TO_READ, Screen, open_screen, rows, verdict

TASK = "2251799813685957"
ARRIVAL = Arrival(
    at=1_795_435_200.0125,
    identity="1-7-1795435200000",
    event={
        "processInstanceKey": "2251799813685951",
        "userTaskKey": TASK,
        "intent": "ASSIGNED",
        "assignee": "cleo",
    },
)
GOOD = Summary("live", 60, 60, 0, 0, 0, 12.5, 23.4, 98.7)
BAD = Summary("live", 60, 59, 1, 0, 0, None, None, None)


@pytest.fixture
def shown(monkeypatch):
    """Return a function that does something on a terminal and returns its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(do):
        stream = io.StringIO()
        do(RichScreen(stream))
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= 80
        return lines

    return show


def test_what_one_sees(shown):
    """The explanation stands in a frame with its title, and no line is broken."""
    top, *lines, bottom = shown(lambda screen: screen.explain("You see", HOW_TO_READ))

    assert top.startswith("╭─ You see ─")
    assert bottom.startswith("╰─")
    assert [line.strip("│ ") for line in lines] == HOW_TO_READ.splitlines()


def test_an_event(shown):
    """An event is one line: its latency, also as a bar, and what happened to whom."""
    (line,) = shown(lambda screen: screen.event(3, ARRIVAL, 0.0125))

    assert "    12.5 ms ▆▆ " in line
    assert line.rstrip().endswith(" ASSIGNED  request 3   is taken by cleo")


def test_an_event_on_a_wide_terminal(monkeypatch):
    """Where there is room, the line also names the task."""
    monkeypatch.setenv("COLUMNS", "100")
    stream = io.StringIO()

    RichScreen(stream).event(3, ARRIVAL, 0.0125)

    assert stream.getvalue().endswith(f" is taken by cleo   task {TASK}\n")


def test_a_slow_event(shown):
    """However late an event is, its bar leaves room for the rest."""
    (line,) = shown(lambda screen: screen.event(1, ARRIVAL, 20))

    assert " 20000.0 ms ▆▆▆▆▆▆▆▆▆▆ ASSIGNED  request 1 " in line


@pytest.mark.parametrize("summary", [GOOD, BAD], ids=["good", "bad"])
def test_a_summary(shown, summary):
    """The summary has all figures, each on its line, and the verdict below."""
    lines = shown(lambda screen: screen.summary(summary))

    assert "─ Summary ─" in lines[0]
    cells = [line.strip("│ ") for line in lines[1:-1]]
    figures = [tuple(re.split(" {3,}", cell)) for cell in cells if "   " in cell]
    assert figures == rows(summary)
    assert verdict(summary) in cells


def test_sentences(shown):
    """A warning is marked, and what takes time says how long it took."""

    def do(screen):
        screen.say("[1] is no markup")
        screen.warn("No backend.")
        with screen.waiting("Starting"):
            pass

    said, warned, waited = shown(do)

    assert (said, warned) == ("[1] is no markup", "! No backend.")
    assert re.fullmatch(r"✓ Starting  \d+\.\d s", waited)


def test_a_pipe_gets_plain_lines():
    """Colours and frames are for terminals alone."""
    stream = io.StringIO()
    screen = open_screen(stream)

    screen.event(3, ARRIVAL, 0.0125)

    assert type(screen) is Screen
    assert stream.getvalue().endswith(
        f"     12.5 ms  ASSIGNED   request 3   is taken by cleo   task {TASK}\n"
    )


def test_a_taken_port():
    """A port that somebody has is replaced by another one, and the sentence says so."""
    sentences = []

    with socket.create_server((LOOPBACK, 0)) as taken:
        usual = taken.getsockname()[1]
        port = usual_port(usual, "the stub backend", sentences.append)

    assert port != usual
    assert sentences == [
        f"Port {usual} is taken, so the stub backend uses {port} this time."
    ]


def test_a_free_port():
    """The usual port is taken without a word when nobody has it."""
    usual, sentences = free_port(), []

    assert usual_port(usual, "the stub backend", sentences.append) == usual
    assert sentences == []
