"""Trouble that repeats is logged once in a while, and its end once."""

import logging

import pytest

from devkit.clock import Clock
from exporter.watch.log_limit import MOST_REMEMBERED, LimitedLog

TROUBLE, OVER = ("WARNING", "no answer"), ("INFO", "all is well")


@pytest.fixture
def clock():
    """Return a clock that only the test moves."""
    return Clock()


@pytest.fixture
def log(clock, caplog):
    """Return a limited log whose lines are captured."""
    caplog.set_level(logging.DEBUG)
    return LimitedLog(logging.getLogger("exporter"), clock, backend="teams")


def trouble(log, **same):
    """Report the trouble of these tests."""
    log.trouble(logging.WARNING, TROUBLE[1], same, attempt=7)


def lines(caplog):
    """Return level and message of each log line, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def test_the_same_line(log, clock, caplog):
    """A line with the same fields is logged again after half a minute."""
    trouble(log, status=503)
    trouble(log, status=401)
    for seconds in (29.9, 0.1):
        clock.seconds += seconds
        trouble(log, status=503)

    assert [record.status for record in caplog.records] == [503, 401, 503]
    assert {(x.backend, x.attempt) for x in caplog.records} == {("teams", 7)}


def test_the_end(log, clock, caplog):
    """The end is logged once, and only after a line; then trouble is logged at once."""
    ended = [log.end(TROUBLE[1], OVER[1])]
    trouble(log)
    ended.append(log.end(TROUBLE[1], OVER[1]))
    trouble(log)
    for _ in range(2):
        clock.seconds += 30
        ended.append(log.end(TROUBLE[1], OVER[1]))

    assert ended == [False, True, True, False]
    assert lines(caplog) == [TROUBLE, OVER, TROUBLE, OVER]
    assert caplog.records[1].backend == "teams"


def test_trouble_that_comes_and_goes(log, clock, caplog):
    """Quick changes are logged every half a minute, and the trouble comes last."""
    for _ in range(59):
        trouble(log)
        log.end(TROUBLE[1], OVER[1])
        clock.seconds += 1
    trouble(log)

    assert lines(caplog) == [TROUBLE, OVER, TROUBLE, OVER, TROUBLE]


def test_two_troubles(log, caplog):
    """The end of one trouble leaves another one limited."""
    trouble(log)
    log.trouble(logging.ERROR, "another", {})
    log.end("another", OVER[1])
    trouble(log)

    assert lines(caplog) == [TROUBLE, ("ERROR", "another"), OVER]


def test_any_number_of_lines(log):
    """Not all lines are remembered, so the memory stays small."""
    for number in range(2 * MOST_REMEMBERED):
        trouble(log, reason=number)

    assert len(log._logged) <= MOST_REMEMBERED
