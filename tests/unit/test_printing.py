"""The commands print aligned text without control characters."""

import json
import time

import pytest

from exporter.commands.dead_letters import name_of
from exporter.commands.printing import (
    as_json,
    local_time,
    paragraphs,
    pretty,
    printable,
    table,
)

# Clears a terminal, sets its title, reverses the text, rings, and is no UTF-8.
NASTY = "\x1b[2J\x9b2J\x1b]0;pwned\x07\u202eevil\x7f\r\x00\ud800"


@pytest.mark.parametrize(
    "printing",
    [
        printable,
        paragraphs,
        as_json,
        lambda text: as_json({text: [text]}, indent=None),
        lambda text: pretty({text: [text]}),
        lambda text: name_of({"event": text, "record": None}) and printable(text),
        lambda text: "".join(table(["a"], [[text]], right=frozenset())),
    ],
)
def test_no_control_character(printing):
    """A terminal gets only visible characters."""
    shown = printing(NASTY)

    assert all(each.isprintable() or each == "\n" for each in shown)
    assert "evil" in shown


def test_json_is_whole():
    """Escapes don't change what a program reads."""
    assert json.loads(as_json({"a": NASTY})) == {"a": NASTY}


def test_letters_of_all_scripts_stay():
    """Letters of all scripts are shown as they are."""
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


@pytest.mark.parametrize(
    "record, name",
    [
        ('{"index":{"_index":"user-task","_id":"1-7","status":201}}', "user-task/1-7"),
        ('{"index":{"_index":"","_id":"","status":201}}', "(unnamed)"),
        ('{"index":{"_index":"user-task","_id":7}}', "user-task/7"),
        ("no JSON", "no JSON"),
        ("7", "7"),
        ("{}", "{}"),
        ('{"index":[]}', '{"index":[]}'),
        (None, "(unnamed)"),
    ],
)
def test_the_name_of_what_never_was_an_event(record, name):
    """A record that never became an event is shown by the broker's name for it."""
    assert name_of({"event": None, "record": record}) == name


def test_a_table():
    """Columns are aligned, numbers to the right, and None is empty."""
    rows = [(7, "refused: 400", None), (1234, "old", 400)]

    assert table(
        ["id", "reason", "status"], rows, right=frozenset({"id", "status"})
    ) == [
        "  id  reason        status",
        "   7  refused: 400",
        "1234  old              400",
    ]


def test_a_table_on_a_terminal():
    """The head is underlined, and the elastic column is cut until a line fits."""
    rows = [(1, "a reason that is far too long for it", 2)]

    lines = table(
        ["id", "reason", "n"], rows, right=frozenset(), width=30, elastic="reason"
    )

    assert lines == [
        "id  reason                   n",
        "--  -----------------------  -",
        "1   a reason that is far...  2",
    ]


def test_a_table_on_a_tiny_terminal():
    """A column keeps a minimal width, however narrow the terminal is."""
    lines = table(
        ["reason"], [["x" * 50]], right=frozenset(), width=5, elastic="reason"
    )

    assert lines[-1] == "xxxxxxxxx..."
