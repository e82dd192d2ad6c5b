"""What the observer keeps for those who ask, and says of the breaker."""

import logging

import pytest

from exporter.delivery import Answer, Attempt, Cause, outcome_of
from exporter.ingest import Received
from exporter.operations.metrics import Metrics
from exporter.operations.observer import Observer
from exporter.spool import Accepted, Batch, Entry, Unreadable
from tests.unit.spools import NOON, an_event

BATCH = Batch([Entry(number, an_event(number)) for number in (0, 500)])
OPENED = "the breaker opened: nothing is sent but probes"
CLOSED = "the breaker closed: events are sent again"


class Clock:
    """A clock that a test moves."""

    def __init__(self, seconds):
        """Begin at *seconds*."""
        self.seconds = seconds

    def __call__(self):
        """Return the time."""
        return self.seconds


@pytest.fixture
def clock():
    """Return a monotonic clock that stands still."""
    return Clock(1000.0)


@pytest.fixture
def metrics():
    """Return the metrics that the observer counts in."""
    return Metrics()


@pytest.fixture
def observer(metrics, clock, caplog):
    """Return an observer two seconds after noon, whose lines are kept."""
    caplog.set_level(logging.INFO)
    return Observer(metrics, now=clock, wall=Clock(NOON / 1000 + 2))


def count(metrics, name, **labels):
    """Return how often something was counted."""
    return metrics.registry.get_sample_value(
        f"app_integrations_exporter_{name}", labels
    )


def an_attempt(answer, *, aside=0):
    """Return an attempt that was answered so."""
    outcome = outcome_of(answer)
    return Attempt(BATCH, 1, answer, outcome, seconds=0.25, aside=aside)


def lines(caplog):
    """Return level and message of what was logged about the breaker."""
    said = [(record.levelname, record.message) for record in caplog.records]
    return [line for line in said if line[1] in (OPENED, CLOSED)]


def test_answers(observer, metrics):
    """Each answer counts by its status, and a rare one among the others."""
    for status in (200, 200, 429, 500, 418):
        observer.answered(status)

    shown = {
        status: count(metrics, "ingest_answers_total", status=status)
        for status in ("200", "429", "503", "other")
    }
    assert shown == {"200": 2, "429": 1, "503": 0, "other": 2}
    assert count(metrics, "ingest_answers_total", status="500") is None


def test_latency(observer, metrics):
    """A delivered event took the time since its record; one that waits took none."""
    observer.attempted(an_attempt(Answer(503)))
    observer.attempted(an_attempt(Answer(200)))

    assert count(metrics, "delivery_latency_seconds_count") == 2
    assert count(metrics, "delivery_latency_seconds_sum") == 3.5
    assert count(metrics, "delivery_latency_seconds_bucket", le="1.0") == 0
    assert count(metrics, "delivery_latency_seconds_bucket", le="2.5") == 2


def test_what_came_in(observer, metrics):
    """New events and records kept aside take room; repeats take none."""
    entries = [Entry(number, an_event(number, body=b"12345")) for number in (1, 2)]
    unreadable = [Unreadable("no JSON", f"1-{n}", b"1234") for n in (3, 4)]
    accepted = Accepted(entries, kept_aside=1, repeats=7, epochs=())

    observer.received(Received(11, 9, unreadable, accepted, 0.001))

    assert metrics.inflow.bytes_per_second * 60 == pytest.approx(2 * 5 + 4)


def test_trouble_is_kept_until_it_is_over(observer, metrics):
    """The last failure stays at hand as the log has it, until all is well again."""
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    last = metrics.trouble
    observer.attempted(an_attempt(Answer(200), aside=1))
    while_one_waits_aside = metrics.trouble
    observer.attempted(an_attempt(Answer(200)))

    assert (last.outcome, last.reason) == ("blocked", "401 Unauthorized")
    assert last.remedy.startswith("Correct APP_INTEGRATIONS_API_KEY")
    assert last.at == NOON / 1000 + 2
    assert while_one_waits_aside is last
    assert metrics.trouble is None


@pytest.mark.parametrize(
    "cause, status, level",
    [
        (Cause.FAILING, 503, "WARNING"),
        (Cause.BLOCKED, 401, "ERROR"),
        (Cause.REFUSING, 400, "ERROR"),
    ],
)
def test_the_breaker_opens_and_closes(observer, caplog, cause, status, level):
    """Both are a line; the first one has the cause, and what to do about it."""
    observer.attempted(an_attempt(Answer(status, detail="said so")))
    observer.switched(cause)
    observer.attempted(an_attempt(Answer(200)))
    observer.switched(None)

    assert lines(caplog) == [(level, OPENED), ("INFO", CLOSED)]
    (opened,) = [line for line in caplog.records if line.message == OPENED]
    assert (opened.cause, opened.reason) == (cause, "said so")
    assert opened.remedy


def test_a_breaker_that_flaps(observer, clock, caplog):
    """It is a pair of lines every half a minute, and the last word is the trouble."""
    for _ in range(59):
        observer.switched(Cause.FAILING)
        observer.switched(None)
        clock.seconds += 1
    observer.switched(Cause.FAILING)

    opened, closed = ("WARNING", OPENED), ("INFO", CLOSED)
    assert lines(caplog) == [opened, closed, opened, closed, opened]
