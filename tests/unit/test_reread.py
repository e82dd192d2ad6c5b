"""A file is read again when it changes, and only then."""

import os
from pathlib import Path

import pytest

from exporter.base.reread import Reread, fixed, text_of
from exporter.config import settings
from exporter.config.rules import CREDENTIAL
from tests.configured import only_backend
from tests.unit.test_settings import environment


@pytest.fixture
def lines(caplog):
    """Return the log lines as text with their fields."""
    caplog.set_level("INFO", "exporter.base.reread")

    def said():
        return [
            (each.levelname, each.setting, getattr(each, "reason", ""))
            for each in caplog.records
        ]

    return said


@pytest.fixture
def key(tmp_path):
    """Return a file with an API key, and its setting."""
    file = tmp_path / "key"
    file.write_text("first\n", encoding="utf-8")
    with environment(API_KEY_FILE=str(file)):
        return file, only_backend(settings.load()).watched("api_key")


def test_a_file_that_changes(key, lines):
    """The next use after a change has the new content, stripped."""
    file, watched = key
    assert (watched.current(), watched.changes) == ("first", 0)

    file.write_text(" second \n", encoding="utf-8")

    assert (watched.current(), watched.changes) == ("second", 1)
    assert lines() == [("INFO", "APP_INTEGRATIONS_API_KEY_FILE", "")]


def test_a_file_that_is_only_touched(key, lines):
    """The same content again isn't a change."""
    file, watched = key
    watched.current()

    file.write_text("first\n", encoding="utf-8")
    os.utime(file, (1, 1))

    assert (watched.current(), watched.changes) == ("first", 0)
    assert lines() == []


def test_a_file_that_stays_is_not_read(tmp_path):
    """Without a change, the file isn't read again."""
    file = tmp_path / "key"
    file.touch()
    reads = []
    watched = Reread("", lambda: reads.append(1) or "", [file], "X_FILE")

    for _ in range(10):
        watched.current()

    assert reads == [1]


def test_a_secret_as_kubernetes_swaps_it(tmp_path):
    """A mounted secret changes when a link two steps away is replaced."""
    for version, text in (("..1", "first"), ("..2", "other")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "key").write_text(text, encoding="utf-8")
        os.utime(tmp_path / version / "key", (1, 1))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "key").symlink_to("..data/key")
    with environment(API_KEY_FILE=str(tmp_path / "key")):
        watched = only_backend(settings.load()).watched("api_key")
    before = watched.current()

    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")

    assert (before, watched.current()) == ("first", "other")


def unlinked(file):
    """Remove *file*."""
    file.unlink()


def emptied(file):
    """Empty *file*."""
    file.write_bytes(b"")


def garbled(file):
    """Write bytes into *file* that aren't text."""
    file.write_bytes(b"\xff\xfe")


def malformed(file):
    """Write a text into *file* that would forge a header."""
    file.write_bytes(b"hunter2\nX-Other: 1")


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (unlinked, "No such file or directory"),
        (emptied, f"it must hold {CREDENTIAL.description}"),
        (garbled, "not UTF-8 text"),
        (malformed, f"it must hold {CREDENTIAL.description}"),
    ],
)
def test_a_file_that_cannot_be_used(key, lines, spoil, reason):
    """The old value stays, one line says why, and the next good content is used."""
    file, watched = key
    watched.current()

    spoil(file)
    kept = [watched.current() for _ in range(3)]
    file.write_text("second", encoding="utf-8")

    assert kept == ["first"] * 3
    assert watched.current() == "second"
    name = "APP_INTEGRATIONS_API_KEY_FILE"
    assert lines() == [("WARNING", name, reason), ("INFO", name, "")]


def test_a_failing_disk_is_tried_again(tmp_path, lines):
    """A file that could not be read is read at the next use, without a change."""
    file = tmp_path / "key"
    file.touch()
    failures = [OSError(5, "Input/output error"), OSError(5, "Input/output error")]

    def load():
        if failures:
            raise failures.pop()
        return "new"

    watched = Reread("old", load, [file], "X_FILE")

    assert [watched.current() for _ in range(3)] == ["old", "old", "new"]
    assert lines() == [
        ("WARNING", "X_FILE", "Input/output error"),
        ("INFO", "X_FILE", ""),
    ]


def test_a_value_without_a_file():
    """A value from a variable never changes."""
    with environment(API_KEY="s3cret"):
        watched = only_backend(settings.load()).watched("api_key")

    assert (watched.current(), watched.changes) == ("s3cret", 0)
    assert fixed(7).current() == 7


def test_text_is_stripped(tmp_path):
    """Whitespace around a text is removed."""
    file = tmp_path / "text"
    file.write_bytes(b"\r\n two words \r\n")

    assert text_of(Path(file)) == "two words"
