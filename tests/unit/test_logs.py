"""The log lines of the exporter."""

import fcntl
import json
import logging
import os
import sys

import aiohttp
import pytest
from aiohttp.http_exceptions import BadStatusLine

from devkit.clock import Clock
from exporter import logs
from exporter.base import process

log = logging.getLogger("exporter.test")


@pytest.fixture
def lines(capsys):
    """Return a function that returns the lines on stderr."""

    def written():
        return capsys.readouterr().err.splitlines()

    return written


def test_a_line_for_machines(lines):
    """A line is a JSON object with time, level, message and any fields."""
    logs.configure("INFO", "json")
    nasty = 'a"b\nc ü \ud800 \x00'

    log.warning("strange", extra={"status": 503, "value": nasty, "path": sys})

    (line,) = map(json.loads, lines())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "message": "strange",
        "status": 503,
        "value": nasty,
        "path": str(sys),
    }


def test_a_line_for_people(lines):
    """A text line has the time of day, a level to be logged, message and fields."""
    logs.configure("WARNING", "text")

    log.info("below the level")
    log.warning("batch attempted", extra={"status": 503, "said": "try\nlater"})

    (line,) = lines()
    assert line[8:] == r' WARNING batch attempted  status=503 said="try\nlater"'


def test_an_exception(lines):
    """A traceback is part of its JSON line, or follows its text line, indented."""
    for form in ("json", "text"):
        logs.configure("INFO", form)
        log.error("failed", exc_info=ValueError("no\n14:05:09 ERROR forged"))

    line, _, *others = lines()
    assert json.loads(line)["exception"].startswith("ValueError: no\n")
    assert [each[:3] for each in others] == ["  V", "  1"]


@pytest.mark.parametrize("terminal,first", [(True, "0123456789"), (False, "{")])
def test_auto(lines, monkeypatch, terminal, first):
    """A terminal gets text, anything else gets JSON."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    logs.configure("INFO", "auto")

    log.info("ready")

    assert lines()[0][0] in first


def test_requests_that_are_not_http(lines):
    """They make one line a minute, with their number and without their content."""
    logs.configure("INFO", "json")
    clock = Clock()
    only = logs.NoHttp(clock)
    noise = logging.getLogger("exporter.test.noise")
    noise.addFilter(only)

    for seconds in (0, 1, 1, 57.9, 0.1, 60):
        clock.seconds += seconds
        noise.error("Error handling request", exc_info=BadStatusLine("\x16 secret"))
    noise.error("something else")
    noise.removeFilter(only)

    *found, other = map(json.loads, lines())
    assert [(each["level"], each["requests"]) for each in found] == [
        ("warning", 1),
        ("warning", 4),
        ("warning", 1),
    ]
    assert "secret" not in str(found)
    assert other["message"] == "something else"


def test_a_client_that_has_gone(lines):
    """A client that hangs up before the answer makes no line."""
    logs.configure("INFO", "json")
    error = aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    logging.getLogger("aiohttp.server").error("Error handling", exc_info=error)

    assert lines() == []


UNSAFE = {
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff",
    "\U000e0041",
}


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_deceives_a_reader(capsys, form):
    """Control characters, line ends and direction marks are escaped everywhere."""
    logs.configure("INFO", form)
    nasty = "".join(f"a{each}b" for each in sorted(UNSAFE - {"\r", "\n"}))

    log.error("failed %s", nasty, extra={"path": nasty}, exc_info=ValueError(nasty))

    written = capsys.readouterr().err
    assert not UNSAFE - {"\n"} & set(written)
    if form == "json":
        assert json.loads(written)["path"] == nasty
        assert nasty in json.loads(written)["exception"]


@pytest.fixture
def pipe():
    """Return the reader of a pipe that holds only one page, and its outlet."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as writer:
        yield reader, process.Outlet(writer, most=100)


def test_nobody_reads(pipe, monkeypatch):
    """Writers go on while nobody reads; then a line counts the lost lines."""
    monkeypatch.setattr(process, "FLUSH_SECONDS", 0.05)
    reader, outlet = pipe
    monkeypatch.setattr(sys, "stderr", outlet)
    logs.configure("INFO", "json")

    for number in range(1000):
        log.warning("again", extra={"number": number, "padding": "x" * 100})
    sys.stderr.flush()
    seen = []
    while "lines" not in (seen or [{}])[-1]:
        seen.append(json.loads(reader.readline()))

    *written, last = seen
    numbers = [line["number"] for line in written]
    assert numbers == sorted(set(numbers))
    assert 100 <= len(written) < 200
    assert last["lines"] == 1000 - len(written)


def test_all_is_written_at_the_end(pipe):
    """After a flush, all earlier lines are written."""
    reader, outlet = pipe

    outlet.write("a last word\n")
    outlet.flush()

    os.set_blocking(reader.fileno(), False)
    assert reader.read() == b"a last word\n"


def test_a_reader_that_is_gone(pipe, monkeypatch):
    """A reader that is gone causes no error, and no waiting."""
    monkeypatch.setattr(process, "FLUSH_SECONDS", 60)
    reader, outlet = pipe
    reader.close()

    outlet.write("lost")
    outlet.flush()
