"""A file is read again when it changes, and only then."""

import os
from operator import methodcaller

import pytest

from exporter.base.reread import Reread, fixed
from exporter.config.rules import CREDENTIAL
from tests.configured import only_backend
from tests.unit.environments import loaded

FILE = "APP_INTEGRATIONS_API_KEY_FILE"


def key_in(file):
    """Return the watched API key in *file*."""
    return only_backend(loaded(API_KEY_FILE=str(file))).watched("api_key")


@pytest.fixture
def key(tmp_path):
    """Return a file with an API key, and its setting."""
    file = tmp_path / "key"
    file.write_text("first\n", encoding="utf-8")
    return file, key_in(file)


@pytest.fixture
def lines(caplog):
    """Return a function for the level, the setting and the reason of each log line."""
    caplog.set_level("INFO", "exporter.base.reread")
    return lambda: [
        (each.levelname, each.setting, getattr(each, "reason", ""))
        for each in caplog.records
    ]


def test_a_file_that_changes(key, lines):
    """The next use after a change has the new content, stripped; a touch isn't one."""
    file, watched = key
    assert (watched.current(), watched.changes) == ("first", 0)
    os.utime(file, (1, 1))
    assert (watched.current(), watched.changes) == ("first", 0)

    file.write_text(" second \n", encoding="utf-8")

    assert (watched.changes, watched.current()) == (1, "second")
    assert lines() == [("INFO", FILE, "")]


def test_a_file_that_stays_is_not_read(tmp_path):
    """Without a change, the file isn't read again."""
    reads = []
    watched = Reread("", lambda: reads.append(1) or "", [tmp_path], "X_FILE")

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
    watched = key_in(tmp_path / "key")
    before = watched.current()

    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")

    assert (before, watched.current()) == ("first", "other")


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (methodcaller("unlink"), "No such file or directory"),
        (methodcaller("write_bytes", b""), CREDENTIAL.description),
        (methodcaller("write_bytes", b"\xff\xfe"), "not UTF-8 text"),
        (methodcaller("write_bytes", b"hunter2\nX-Other: 1"), CREDENTIAL.description),
    ],
)
def test_a_file_that_cannot_be_used(key, lines, spoil, reason):
    """The old value stays, a line a change says why, and good content is used."""
    file, watched = key

    spoil(file)
    kept = [watched.current() for _ in range(3)]
    file.write_text("two\nlines", encoding="utf-8")
    kept += [watched.current()]
    file.write_text("second", encoding="utf-8")

    assert kept == ["first"] * 4
    assert watched.current() == "second"
    (level, name, why), (next_level, *_), again = lines()
    assert (level, name, next_level) == ("WARNING", FILE, "WARNING")
    assert again == ("INFO", FILE, "")
    assert why.endswith(reason)


def test_a_failing_disk_is_tried_again(tmp_path, lines):
    """A file that could not be read is read at the next use, without a change."""
    failures = [OSError(5, "Input/output error"), OSError(5, "Input/output error")]

    def load():
        if failures:
            raise failures.pop()
        return "new"

    watched = Reread("old", load, [tmp_path], "X_FILE")

    assert [watched.current() for _ in range(3)] == ["old", "old", "new"]
    assert [each[2] for each in lines()] == ["Input/output error", ""]


def test_a_value_without_a_file():
    """A value from a variable never changes."""
    watched = only_backend(loaded(API_KEY="s3cret")).watched("api_key")

    assert (watched.current(), watched.changes) == ("s3cret", 0)
    assert fixed(7).current() == 7
