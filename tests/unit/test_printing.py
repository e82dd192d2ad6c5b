"""The commands print aligned text without control characters."""

import json
import time

import pytest

from exporter.commands.printing import (
    as_json,
    local_time,
    paragraphs,
    pretty,
    printable,
    say,
    table,
)

# Clears a terminal, sets its title, reverses the text, rings, and isn't UTF-8.
NASTY = "\x1b[2J\x9b2J\x1b]0;pwned\x07\u202eevil\x7f\r\x00\ud800"


@pytest.mark.parametrize(
    "printing",
    [
        printable,
        paragraphs,
        as_json,
        lambda text: as_json({text: [text]}, indent=None),
        lambda text: pretty({text: [text]}),
        lambda text: table(["a"], [[text]]),
    ],
)
def test_no_control_character(printing):
    """A terminal gets only visible characters."""
    shown = printing(NASTY)

    assert all(each.isprintable() or each == "\n" for each in shown)
    assert "evil" in shown


def test_say(capsys):
    """A message is one visible line on stderr."""
    say(f"{NASTY}\n")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err[:-1].isprintable()


def test_contents_are_whole():
    """Escapes don't change what a program reads, and people see their own letters."""
    assert json.loads(as_json({"a": NASTY})) == {"a": NASTY}
    assert pretty({"name": "Zoë 李"}) == '{\n  "name": "Zoë 李"\n}'
    assert paragraphs("eins\r\nzwei\tdrei") == "eins\nzwei\\tdrei"


def test_local_time(monkeypatch):
    """A time is shown in the time zone of this machine."""
    try:
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("TZ", "XXX-5:30")
            time.tzset()
            assert local_time("2026-11-23T20:00:00.123Z") == "2026-11-24 01:30:00"
    finally:
        time.tzset()


def test_table():
    """Columns are aligned, numbers to the right, and None is empty."""
    rows = [(7, "refused: 400", None), (1234, "old", 400)]

    assert table(["id", "reason", "status"], rows).splitlines() == [
        "  id  reason        status",
        "   7  refused: 400",
        "1234  old              400",
    ]
