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
    """A line is a JSON object with time, level, message and fields."""
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
    """No text breaks a line or its JSON."""
    logs.configure("INFO", "json")
    nasty = 'a"b\nc ü \ud800 \x00'

    log.info("strange", extra={"value": nasty, "path": sys})

    (line,) = map(json.loads, lines())
    assert line["value"] == nasty
    assert line["path"] == str(sys)


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_is_whole(lines, form):
    """A traceback is part of its JSON line, or follows its text line."""
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
    """A text line has the time of day, the level, the message and the fields."""
    logs.configure("INFO", "text")

    log.warning("batch attempted", extra={"status": 503, "said": "try\nlater"})

    (line,) = lines()
    assert line[8:] == r' WARNING batch attempted  status=503 said="try\nlater"'


def test_the_level_decides(lines):
    """Lines below the level aren't written."""
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
    """Requests that are not HTTP make one line, without their content."""
    logs.configure("INFO", "json")
    error = BadStatusLine("\x16\x03\x01 secret")
    server = logging.getLogger("aiohttp.server")
    server.error("Error handling request", exc_info=error)

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["level"] == "warning"
    assert "HTTP" in json.loads(line)["message"]
    assert "secret" not in line


def test_many_requests_that_are_no_http(caplog):
    """Such requests make one line a minute, with their number."""
    clock = Clock()
    only = logs.NoHttp(clock)
    noise = logging.getLogger("exporter.test.noise")
    noise.addFilter(only)

    for seconds in (0, 1, 1, 57.9, 0.1, 60):
        clock.seconds += seconds
        noise.error("Error handling request", exc_info=BadStatusLine("?"))
    noise.error("something else")
    noise.removeFilter(only)

    assert [getattr(each, "requests", None) for each in caplog.records] == [
        1,
        4,
        1,
        None,
    ]


def test_a_client_that_has_gone(lines):
    """A client that hangs up before the answer makes no line."""
    logs.configure("INFO", "json")
    error = aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    logging.getLogger("aiohttp.server").error("Error handling", exc_info=error)

    assert lines() == []


UNSAFE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff",
    "\U000e0041",
]


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_deceives_a_reader(capsys, form):
    """Control characters, line ends and direction marks are escaped everywhere."""
    logs.configure("INFO", form)
    nasty = "".join(f"a{each}b" for each in UNSAFE if each not in "\r\n")

    log.error("failed %s", nasty, extra={"path": nasty}, exc_info=ValueError(nasty))

    written = capsys.readouterr().err
    assert not set(UNSAFE) - {"\n"} & set(written)
    if form == "json":
        assert json.loads(written)["path"] == nasty
        assert nasty in json.loads(written)["exception"]


def test_a_text_forges_no_line(lines):
    """In text for people, the other lines of a message are indented."""
    logs.configure("INFO", "text")

    log.warning("no\n14:05:09 ERROR forged", extra={"said": "\n14:05:09 ERROR"})

    assert [line[:3] for line in lines()[1:]] == ["  1"]


@pytest.fixture
def pipe():
    """Return both ends of a pipe that holds only one page."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as writer:
        yield reader, writer


def test_nobody_reads(pipe, monkeypatch):
    """Writers go on while nobody reads; then a line counts the lost lines."""
    monkeypatch.setattr(process, "MOST_TEXTS", 100)
    monkeypatch.setattr(process, "FLUSH_SECONDS", 0.05)
    reader, writer = pipe
    monkeypatch.setattr(sys, "stderr", process.Outlet(writer))
    logs.configure("INFO", "json")

    for number in range(1000):
        log.warning("again", extra={"number": number, "padding": "x" * 100})
    sys.stderr.flush()
    seen = []
    for text in reader:
        seen.append(json.loads(text))
        if "lost" in seen[-1]["message"]:
            break

    *written, last = seen
    numbers = [line["number"] for line in written]
    assert numbers == sorted(set(numbers))
    assert 100 <= len(written) < 200
    assert last["lines"] == 1000 - len(written)


def test_all_is_written_at_the_end(pipe, monkeypatch):
    """After a flush, all earlier lines are written."""
    reader, writer = pipe
    monkeypatch.setattr(sys, "stderr", process.Outlet(writer))

    sys.stderr.write("a last word\n")
    sys.stderr.flush()

    os.set_blocking(reader.fileno(), False)
    assert reader.read() == b"a last word\n"


def test_a_reader_that_is_gone():
    """A reader that is gone causes no error."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as writer:
        stream = process.Outlet(writer)

        stream.write("in vain")
        stream.flush()

        assert stream._texts.empty()
