"""Each attempt to deliver is counted and logged for its backend."""

import logging

import pytest

from devkit.clock import Clock
from exporter.delivery import Answer, Attempt, Cause, outcome_of
from exporter.spool import Batch, Entry, Rejection
from exporter.watch.service import ServiceObserver
from tests.unit.spools import NOON, an_event

BATCH = Batch([Entry(number, an_event(number)) for number in (7, 8, 9)])
GOOD, BAD = Answer(200), Answer(503, detail="503 Service Unavailable")
WRONG_KEY = Answer(401, detail="401 Unauthorized")
FAILED, OVER = "batch not delivered", "the backend accepts events again"


@pytest.fixture
def service(caplog):
    """Return the observer of a service with two backends, two seconds after noon."""
    caplog.set_level(logging.DEBUG)
    backends = {"default": str, "teams": "BACKEND_TEAMS_{}".format}
    return ServiceObserver(backends, now=Clock(), wall=Clock(NOON / 1000 + 2))


@pytest.fixture
def observer(service):
    """Return the observer of the backend without a name."""
    return service.backends["default"]


def an_attempt(answer, *, number=1, parked=0, batch=BATCH):
    """Return an attempt that got *answer*."""
    outcome = outcome_of(answer)
    return Attempt(batch, number, answer, outcome, seconds=0.25, parked=parked)


def measured(service):
    """Return the histograms of the first backend."""
    return {
        (sample.name.partition("_delivery_")[2], sample.labels.get("le")): sample.value
        for family in service.metrics.collect()
        for sample in family.samples
        if sample.labels.get("backend") == "default"
    }


def lines(caplog):
    """Return level and message of each log line, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def test_a_failure(service, observer, caplog):
    """A failure has one line with reason, batch and remedy, and its end another."""
    for _ in range(20):
        observer.attempted(an_attempt(WRONG_KEY, number=2))
    for _ in range(2):
        observer.attempted(an_attempt(GOOD))

    assert (observer.attempts["blocked"], observer.attempts["delivered"]) == (20, 2)
    assert observer.delivered == 6
    assert measured(service)["attempt_duration_seconds_sum", None] == 22 * 0.25
    assert lines(caplog) == [("ERROR", FAILED), ("INFO", OVER)]
    record = caplog.records[0]
    assert (record.outcome, record.reason) == ("blocked", "401 Unauthorized")
    assert record.remedy.startswith("Correct api_key")
    assert (record.batch, record.events, record.attempt) == ("1-7..1-9", 3, 2)
    assert record.seconds == 0.25


def test_a_failure_of_one_batch_alone(observer, caplog):
    """While one batch is parked and others succeed, the failure isn't over."""
    for _ in range(20):
        observer.attempted(an_attempt(BAD))
        observer.attempted(an_attempt(GOOD, parked=1))
    trouble = observer.trouble
    observer.attempted(an_attempt(GOOD))

    assert lines(caplog) == [("WARNING", FAILED), ("INFO", OVER)]
    assert (trouble.outcome, trouble.reason) == ("postponed", BAD.detail)
    assert (trouble.remedy, trouble.at) == (caplog.records[0].remedy, NOON / 1000 + 2)
    assert observer.trouble is None


def test_a_failure_that_changes(observer, caplog):
    """Each change of the failure is logged, with the level of its outcome."""
    for status in (503, 400, 400, 302):
        observer.attempted(an_attempt(Answer(status, detail=str(status))))

    assert [(record.levelname, record.outcome) for record in caplog.records] == [
        ("WARNING", "postponed"),
        ("ERROR", "rejected"),
        ("ERROR", "blocked"),
    ]


def test_latency(service, observer):
    """A delivered event has a latency since its record, which is never below 0."""
    batch = Batch([Entry(number, an_event(number)) for number in (0, 500, 60_000)])
    observer.attempted(an_attempt(BAD, batch=batch))
    observer.attempted(an_attempt(GOOD, batch=batch))

    found = measured(service)
    assert found["latency_seconds_sum", None] == 3.5
    buckets = [found["latency_seconds_bucket", le] for le in ("0.005", "1.0", "2.5")]
    assert buckets == [1, 1, 3]
    assert list(observer.latency.last) == [2, 1.5, 0]


def test_dead_letters_and_lost_events(observer, caplog):
    """Both are counted; a reason is logged once in a while, without the answer."""
    rejection = Rejection("refused: 400", 400, "the event: secret", attempts=13)
    for _ in range(3):
        observer.dead_lettered(BATCH, rejection)
        observer.lost(BATCH)

    assert (observer.dead_letters, observer.lost_events) == (9, 9)
    dead, lost = caplog.records
    assert (dead.reason, dead.attempts) == (rejection.reason, 13)
    assert "full" in lost.message
    for record in (dead, lost):
        assert (record.levelname, record.events) == ("ERROR", 3)
        assert record.batch == "1-7..1-9"
        assert "secret" not in str(vars(record))


@pytest.mark.parametrize(
    "cause, level",
    [
        (Cause.FAILING, "WARNING"),
        (Cause.BLOCKED, "ERROR"),
        (Cause.REFUSING, "ERROR"),
    ],
)
def test_the_breaker(observer, caplog, cause, level):
    """An opened breaker is logged with cause and remedy; a closed one is logged."""
    observer.attempted(an_attempt(BAD))
    observer.switched(cause)
    observer.switched(None)

    failed, opened, closed = caplog.records
    assert (opened.levelname, opened.cause) == (level, cause)
    assert "opened" in opened.message
    assert (opened.reason, opened.remedy) == (BAD.detail, failed.remedy)
    assert closed.levelname == "INFO"
    assert "closed" in closed.message


def test_each_backend_alone(service, caplog):
    """Each backend has its own counts, lines, trouble and variables in remedies."""
    for observer in service.backends.values():
        observer.attempted(an_attempt(WRONG_KEY))
        observer.switched(Cause.BLOCKED)
        observer.lost(BATCH)
    default, teams = service.backends.values()
    default.attempted(an_attempt(GOOD))

    named = [getattr(record, "backend", None) for record in caplog.records]
    assert named == 3 * [None] + 3 * ["teams"] + [None]
    assert (default.delivered, teams.delivered) == (3, 0)
    assert measured(service)["attempt_duration_seconds_count", None] == 2
    assert default.trouble is None
    assert teams.trouble.remedy.startswith("Correct BACKEND_TEAMS_api_key")
