"""What operations sees of the exporter, line by line."""

import json
import logging
import sys

import pytest
from aiohttp.http_exceptions import BadStatusLine

from exporter.operations import logs

log = logging.getLogger("exporter.test")


@pytest.fixture
def lines(capsys):
    """Return a function that returns what stderr got, line by line."""

    def written():
        return capsys.readouterr().err.splitlines()

    return written


def test_a_line_for_machines(lines):
    """Time, level, message and the fields, in one JSON object."""
    logs.configure("INFO", "json")

    log.warning("batch attempted", extra={"status": 503, "batch": "1-4..1-9"})

    (line,) = map(json.loads, lines())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "message": "batch attempted",
        "status": 503,
        "batch": "1-4..1-9",
    }


def test_a_line_stays_one_line(lines):
    """No text breaks a line or its JSON, whatever it holds."""
    logs.configure("INFO", "json")
    nasty = 'a"b\nc ü \ud800 \x00'

    log.info("strange", extra={"value": nasty, "path": sys})

    (line,) = map(json.loads, lines())
    assert line["value"] == nasty
    assert line["path"] == str(sys)


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_is_whole(lines, form):
    """A traceback is part of its line, or follows it."""
    logs.configure("INFO", form)

    try:
        1 / 0  # noqa: B018 - the point
    except ZeroDivisionError:
        log.exception("failed", extra={"part": "ingest"})

    written = lines()
    assert "ZeroDivisionError: division by zero" in "\n".join(written)
    if form == "json":
        (line,) = map(json.loads, written)
        assert line["exception"].startswith("Traceback")


def test_a_line_for_people(lines):
    """The time of day, the level, the message, and the fields behind it."""
    logs.configure("INFO", "text")

    log.warning("batch attempted", extra={"status": 503, "said": "try\nlater"})

    (line,) = lines()
    assert line[8:] == r' WARNING batch attempted  status=503 said="try\nlater"'


def test_the_level_decides(lines):
    """What is less serious than the level isn't written."""
    logs.configure("WARNING", "text")

    log.info("not this")
    log.warning("but this")

    assert [line.split()[-1] for line in lines()] == ["this"]


@pytest.mark.parametrize("terminal,first", [(True, "0123456789"), (False, "{")])
def test_auto_looks_who_reads(lines, monkeypatch, terminal, first):
    """A terminal gets text, anything else gets JSON."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    logs.configure("INFO", "auto")

    log.info("ready")

    assert lines()[0][0] in first


def test_a_request_that_is_no_http(capsys):
    """What somebody sent that is no HTTP is one line, without what it was."""
    logs.configure("INFO", "json")
    error = BadStatusLine("\x16\x03\x01 secret")
    server = logging.getLogger("aiohttp.server")
    server.error("Error handling request", exc_info=error)

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["level"] == "warning"
    assert "no HTTP" in json.loads(line)["message"]
    assert "secret" not in line
